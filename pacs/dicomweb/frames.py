"""Frames (PS3.18 10.4.1.1.3 and 8.7.3.3), in front of the router: the path a viewer takes hundreds of times a study.

The part header is exactly ``Content-Type: <media>; transfer-syntax=<UID>``: viewers read the syntax from there.
"""

import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Any, NamedTuple

from pacs.dicomweb import accept
from pacs.dicomweb.errors import answer
from pacs.dicomweb.middleware import header
from pacs.dicomweb.requests import in_thread, pairs, uids, wanted
from pacs.dicomweb.types import Receive, Scope, Send
from pacs.domain.errors import BadRequest, NotAcceptable, NotFound
from pacs.domain.model import FramePlace, Identity

OCTETS = "application/octet-stream"
EXPLICIT = "1.2.840.10008.1.2.1"
NATIVE = ("1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
CHUNK = 256 * 1024
_IN_LOOP = 4 * CHUNK
_MAX_LIST = 100_000


class Target(NamedTuple):
    """A frames URL, taken apart; ``numbers`` None is all frames."""

    identity: Identity
    numbers: tuple[int, ...] | None


class Source(NamedTuple):
    """One frame: a range of a local file, or its bytes."""

    number: int
    file: tuple[str, int, int] | None


def match(path: str, root: str) -> list[str] | None:
    """The pieces ``[S, E, I]`` or ``[S, E, I, list]`` when the path is a frames resource below ``root``."""
    if not path.startswith(root + "/studies/"):
        return None
    p = path[len(root) + 1 :].split("/")
    if len(p) not in (7, 8) or p[2] != "series" or p[4] != "instances" or p[6] != "frames":
        return None
    return [p[1], p[3], p[5], *p[7:]]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"frame {text[:40]!r}: whole numbers from 1 on are wanted")
    return int(text)


def target(pieces: list[str]) -> Target:
    """Checked UIDs and frame numbers."""
    uids(*pieces[:3])
    identity = Identity(*pieces[:3])
    if len(pieces) == 3:
        return Target(identity, None)
    listed = pieces[3].split(",")
    if len(listed) > _MAX_LIST:
        raise BadRequest(f"more than {_MAX_LIST} frames in one request")
    return Target(identity, tuple(_number(text) for text in listed))


def labels(syntax: str, media: str) -> tuple[str, str]:
    """Media type and transfer syntax of the part; native frames are handed out little endian, unencapsulated."""
    return (OCTETS, EXPLICIT) if syntax in NATIVE else (media, syntax)


@lru_cache(maxsize=1024)
def negotiate(wanted: str, syntax: str, media: str, single: bool) -> tuple[bool, str, str]:
    """Whether multipart, and the labels; NotAcceptable otherwise.  No transcoding: what is stored or nothing."""
    media, label = labels(syntax, media)
    types = (media,) if media == OCTETS else (media, OCTETS)
    names = (label, syntax) if syntax in NATIVE[:3] and syntax != label else (label,)
    multipart = [accept.Offer("multipart", types, True, (name,)) for name in names]
    alone = [accept.Offer("single", o.types, False, o.syntaxes) for o in multipart] if single else []
    try:
        chosen = accept.choose(accept.parse(wanted), multipart + alone)
    except NotAcceptable as error:
        offers = (multipart[0], *alone[:1])
        raise NotAcceptable(f"{error}; the frames are stored as {label}", tuple(o.label() for o in offers)) from None
    return chosen.multipart, media, label


def boundary(identity: Identity) -> str:
    """The same for every request of an instance, so that ranges and caches hold."""
    return "frames-" + hashlib.blake2b("/".join(identity).encode(), digest_size=16).hexdigest()


class Frames:
    """The ASGI application of frames resources."""

    def __init__(self, services: Any, root: str) -> None:
        self.retrieve = services.retrieve
        self.local = bool(getattr(services.repository, "local", False))
        self.root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, send)
        except _Started as started:
            raise started.error from None
        except Exception as error:
            told = answer(error)
            await send({"type": "http.response.start", "status": told.status, "headers": told.headers})
            await send({"type": "http.response.body", "body": told.body})

    async def _place(self, identity: Identity) -> FramePlace:
        find = self.retrieve.frame_place
        found: FramePlace = find(identity) if self.local else await in_thread(find, identity)
        return found

    async def _answer(self, scope: Scope, send: Send) -> None:
        asked = target(match(scope["path"], self.root) or [])
        place = await self._place(asked.identity)
        numbers = asked.numbers or tuple(range(1, place.frames.count + 1))
        if not numbers or max(numbers) > place.frames.count:
            raise NotFound(f"this instance has {place.frames.count} frames")
        accepted = wanted(pairs(scope["query_string"]), header(scope, b"accept"))
        media = self.retrieve.pixel_media(place)
        multipart, media, syntax = negotiate(accepted, place.transfer_syntax, media, len(numbers) == 1)
        try:
            await self._send(send, asked.identity, place, numbers, multipart, media, syntax)
        except FileNotFoundError:
            place = await self._place(asked.identity)  # converted, and the received file gone, in between
            await self._send(send, asked.identity, place, numbers, multipart, media, syntax)

    async def _send(
        self, send: Send, identity: Identity, place: FramePlace, numbers: tuple[int, ...], multipart: bool, media: str,
        syntax: str,
    ) -> None:  # fmt: skip
        mark = boundary(identity)
        kind = f"{media}; transfer-syntax={syntax}"
        before = f"--{mark}\r\nContent-Type: {kind}\r\n\r\n".encode() if multipart else b""
        after = f"\r\n--{mark}--\r\n".encode() if multipart else b""
        outer = f'multipart/related; type="{media}"; boundary={mark}' if multipart else kind
        parts = _Parts(self.retrieve, place, numbers, before, after)
        await parts.open()
        headers = [(b"content-type", outer.encode()), (b"vary", b"Accept"), (b"cache-control", b"no-cache")]
        if parts.length is not None:
            headers.append((b"content-length", str(parts.length).encode()))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with aclosing(parts.pieces()) as pieces:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:
            raise _Started(error) from error
        finally:
            parts.close()


class _Started(Exception):
    """An error after the status line is out: the connection is to be cut."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Parts:
    """The body of the answer, piece by piece; the first frame is opened or read before anything is sent."""

    def __init__(self, retrieve: Any, place: FramePlace, numbers: tuple[int, ...], before: bytes, after: bytes) -> None:
        self.retrieve, self.place, self.before, self.after = retrieve, place, before, after
        self.sources = [Source(n, retrieve.frame_file(place, n)) for n in numbers]
        self.length: int | None = None
        self._first: tuple[int, bytes] = (-1, b"")

    async def open(self) -> None:
        """Sets ``length`` when it can be known; FileNotFoundError when the file has moved."""
        first = self.sources[0]
        if first.file is None:
            self._first = (-1, await in_thread(self.retrieve.frame, self.place, first.number))
        else:
            self._first = (os.open(first.file[0], os.O_RDONLY), b"")
        sizes = [s.file[2] if s.file else None for s in self.sources]
        if first.file is None:
            sizes[0] = len(self._first[1])
        known = [size for size in sizes if size is not None]
        if len(known) == len(sizes):
            joint = len(self.before) + (2 if self.before else 0)
            self.length = sum(known) + len(self.before) + joint * (len(sizes) - 1) + len(self.after)

    def close(self) -> None:
        """Closes the first file; the others are closed where they are read."""
        if self._first[0] >= 0:
            os.close(self._first[0])
            self._first = (-1, b"")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for index, source in enumerate(self.sources):
            head = (b"\r\n" if index and self.before else b"") + self.before
            if source.file is None:
                data = self._first[1] if not index else await in_thread(self.retrieve.frame, self.place, source.number)
                yield head + data
                continue
            handle = self._first[0] if not index else os.open(source.file[0], os.O_RDONLY)
            try:
                async for piece in _read(handle, source.file[1], source.file[2], head):
                    yield piece
            finally:
                if index:
                    os.close(handle)
        yield self.after


async def _read(handle: int, offset: int, length: int, head: bytes) -> AsyncGenerator[bytes, None]:
    """``head`` and the range of an open file; a short file is an error, not a short frame."""
    left = length
    while left or head:
        size = min(CHUNK, left)
        small = length <= _IN_LOOP
        data = os.pread(handle, size, offset) if small else await in_thread(os.pread, handle, size, offset)
        if len(data) < size and not data:
            raise OSError("a frame ends early in its file")
        yield head + data
        head, offset, left = b"", offset + len(data), left - len(data)
