"""Frames (PS3.18 10.4.1.1.6 and 8.7.3.3): as stored, or in the transfer syntax asked for.

The part header is exactly ``Content-Type: <media>; transfer-syntax=<UID>``: viewers read the syntax from there.
"""

import os
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any, NamedTuple

from pacs.dicom.syntax import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, OCTETS, syntax
from pacs.dicomweb import accept, parts
from pacs.dicomweb.call import Call
from pacs.dicomweb.objects import targets_of
from pacs.dicomweb.reply import Reply, unchanged
from pacs.dicomweb.requests import header, in_thread, only, wanted
from pacs.domain.errors import NotFound
from pacs.domain.model import FramePlace, Identity
from pacs.services.retrieve import etag

NATIVE = (IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
CHUNK = 256 * 1024
_IN_LOOP = 4 * CHUNK


class Choice(NamedTuple):
    """How frames are sent."""

    multipart: bool
    media: str
    syntax: str


class Source(NamedTuple):
    """One frame: a range of a local file, or its bytes."""

    number: int
    file: tuple[str, int, int] | None


@lru_cache(maxsize=1024)
def negotiate(wanted: str, targets: accept.Targets, alone: bool) -> Choice:
    """The choice among what can be made; ``targets.ready[0]`` is how frames are stored.

    A frame is offered under the media type of each syntax and as octets.  Without a syntax a media type means the stored
    one if it has that type, else the first that does; octets mean Explicit VR Little Endian (Tables 8.7.3-2 to 8.7.3-5).
    Of what the client names, the stored form goes before one that costs a conversion, which a server may choose (RFC 9110 12.1).
    """
    stored = targets.ready[0]
    own = syntax(stored).media_type
    every = (*targets.ready, *targets.by_name)
    types = tuple(dict.fromkeys((own, *(syntax(uid).media_type for uid in every), OCTETS)))
    ways = (True, False) if alone else (True,)
    forms = [accept.Form("frames", (kind,), multipart, True) for multipart in ways for kind in types]
    first: Choice | None = None
    for form, fits in accept.ranked(accept.parse(wanted), forms):
        for one in fits:
            found = _of_type(form.types[0], own, one, targets)
            if found is None:
                continue
            choice = Choice(form.multipart, form.types[0], found)
            if found == stored and "*" not in one.media:
                return choice
            first = first or choice
    if first is not None:
        return first
    labels = [
        form._replace(syntaxes=(uid,)) for form in forms for uid in targets.ready if syntax(uid).media_type == form.types[0]
    ]
    raise accept.refusal(labels, f"the Accept header fits nothing available here; the frames are stored as {stored}")


def _of_type(kind: str, own: str, wanted: accept.MediaRange, targets: accept.Targets) -> str | None:
    """The syntax to send a frame in as ``kind``, or None."""
    stored, octets = targets.ready[0], kind == OCTETS

    def can_be(uid: str) -> bool:
        return octets or syntax(uid).media_type == kind

    if not wanted.syntaxes:
        if octets and own != OCTETS:
            return EXPLICIT_LITTLE if EXPLICIT_LITTLE in targets.ready else stored
        return stored if can_be(stored) else next((uid for uid in targets.ready if can_be(uid)), None)
    named = tuple(EXPLICIT_LITTLE if uid in NATIVE else uid for uid in wanted.syntaxes)
    if can_be(stored) and ("*" in named or stored in named):
        return stored
    allowed = (*targets.ready, *targets.by_name)
    if "*" in named:
        return next((uid for uid in targets.ready if can_be(uid)), None)
    return next((uid for uid in named if uid in allowed and can_be(uid)), None)


@lru_cache(maxsize=256)
def _frame_targets(targets: accept.Targets, stored: str) -> accept.Targets:
    """Targets of frames: native ones are handed out as Explicit VR Little Endian, whatever the data set is in."""
    others = (uid for uid in targets.ready[1:] if uid not in NATIVE)
    ready = tuple(dict.fromkeys((stored, *others)))
    return accept.Targets(ready, tuple(uid for uid in targets.by_name if uid not in NATIVE), stored)


async def frames(call: Call) -> Reply:
    """A list of frames, or all of them."""
    only(call.query)
    identity, retrieve = call.identity, call.services.retrieve
    place = await _place(call, identity)
    count = place.frames.count
    numbers = call.frames or tuple(range(1, count + 1))
    if not numbers or max(numbers) > count:
        raise NotFound(f"this instance has {count} frames")
    stored = retrieve.at_rest(place.transfer_syntax)
    targets = _frame_targets(targets_of(place.transfer_syntax, call.services.transcoder), stored)
    choice = negotiate(wanted(call.query, header(call.scope, b"accept")), targets, len(numbers) == 1)
    tag = etag(place.digest, call.given.get("frames"), *map(str, choice))
    headers = {"etag": tag, "vary": "Accept", "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    make = Frames(call, identity, stored, choice)
    try:
        return await make.reply(place, numbers, headers)
    except FileNotFoundError:  # converted, and the received file gone, in between
        return await make.reply(await _place(call, identity), numbers, headers)


async def _place(call: Call, identity: Identity) -> FramePlace:
    find = call.services.retrieve.frame_place
    found: FramePlace = find(identity) if call.services.repository.local else await in_thread(find, identity)
    return found


class Frames:
    """Makes the answer of one request."""

    def __init__(self, call: Call, identity: Identity, stored: str, choice: Choice) -> None:
        self.call, self.identity, self.choice = call, identity, choice
        self.kept = choice.syntax == stored

    async def reply(self, place: FramePlace, numbers: tuple[int, ...], headers: dict[str, str]) -> Reply:
        """The first frame is opened or made before anything is sent: what fails at once becomes an error answer."""
        retrieve, choice = self.call.services.retrieve, self.choice
        mark = parts.boundary(*self.identity)
        kind = f"{choice.media}; transfer-syntax={choice.syntax}"
        outer = f'multipart/related; type="{choice.media}"; boundary={mark}' if choice.multipart else kind
        before = parts.head(kind, mark) if choice.multipart else b""
        after = f"\r\n--{mark}--\r\n".encode() if choice.multipart else b""
        body = _Parts(self, place, numbers, before, after)
        await body.open([retrieve.frame_file(place, n) if self.kept else None for n in numbers])
        return Reply(200, {"content-type": outer, **headers}, body.pieces(), body.length)

    async def make(self, place: FramePlace, number: int) -> bytes:
        """A frame as it is sent."""
        found: bytes
        if self.kept:
            found = await in_thread(self.call.services.retrieve.frame, place, number)
        else:
            found = await in_thread(self.call.services.transcoder.frame, self.identity, number, self.choice.syntax)
        return found


class _Parts:
    """The body, piece by piece."""

    def __init__(self, maker: Frames, place: FramePlace, numbers: tuple[int, ...], before: bytes, after: bytes) -> None:
        self.maker, self.place, self.numbers, self.before, self.after = maker, place, numbers, before, after
        self.length: int | None = None
        self._sources: list[Source] = []
        self._first: Any = None

    async def open(self, files: list[tuple[str, int, int] | None]) -> None:
        """Sets ``length`` when it can be known; FileNotFoundError when the file has moved."""
        self._sources = [Source(n, file) for n, file in zip(self.numbers, files, strict=True)]
        sizes = [file[2] if file else None for file in files]
        if files[0] is None:
            self._first = await self.maker.make(self.place, self.numbers[0])
            sizes[0] = len(self._first)
        else:
            self._first = open(files[0][0], "rb", buffering=0)  # noqa: SIM115 (closed by pieces)
        known = [size for size in sizes if size is not None]
        if len(known) == len(sizes):
            joint = len(self.before) + (2 if self.before else 0)
            self.length = sum(known) + len(self.before) + joint * (len(sizes) - 1) + len(self.after)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for index, source in enumerate(self._sources):
            head = (b"\r\n" if index and self.before else b"") + self.before
            if source.file is None:
                yield head + (await self.maker.make(self.place, source.number) if index else self._first)
                continue
            path, offset, length = source.file
            with open(path, "rb", buffering=0) if index else self._first as file:
                async for piece in _read(file.fileno(), offset, length, head):
                    yield piece
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
