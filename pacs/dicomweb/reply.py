"""Answers as ASGI applications: bytes or streams, whole or by Range, conditional (RFC 9110 13, 14)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Any

import anyio
from litestar import Response

from pacs.dicomweb.errors import Problem
from pacs.dicomweb.requests import byte_range, header, in_thread
from pacs.dicomweb.types import Receive, Scope, Send
from pacs.domain.ports import Buffer

HEAD = "pacs.head"
GATHERED, CHUNK, SHORT = 256 * 1024, 1 << 20, 4 << 20
Headers = Mapping[str, str]


class Reply:
    """An answer.  With ``length`` the size of a streamed body is told; for HEAD no body is made at all."""

    def __init__(
        self, status: int, headers: Headers, body: bytes | AsyncGenerator[bytes, None] = b"", length: int | None = None
    ) -> None:
        self.status, self.body = status, body
        self.length = len(body) if isinstance(body, bytes) else length
        self.headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.headers
        if self.length is not None and self.status != 304:
            headers = [*headers, (b"content-length", str(self.length).encode())]
        with_body = not scope.get(HEAD)
        if isinstance(self.body, bytes):
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            await send({"type": "http.response.body", "body": self.body if with_body else b""})
            return
        async with aclosing(self.body) as pieces:
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            if with_body and self.length is not None and self.length <= SHORT:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            elif with_body:
                await _stream(pieces, receive, send)
            await send({"type": "http.response.body", "body": b""})


async def _stream(pieces: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Sends until the end or until the client has gone."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            group.cancel_scope.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


def problem_reply(told: Problem, headers: Headers | None = None) -> Reply:
    """An error answer."""
    given = {"content-type": "application/json", "cache-control": "no-store", **told.extra, **(headers or {})}
    return Reply(told.status, given, told.body)


def raw(body: bytes, media: str, headers: Headers | None = None, status: int = 200) -> Response[bytes]:
    """For the router's handlers: an answer whose Content-Type is exactly ``media``."""
    return Response(body, status_code=status, headers={"content-type": media, **(headers or {})}, media_type=media)


def _sized(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """Pieces of a size to send: small ones gathered, large ones cut."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), CHUNK):
            gathered.append(bytes(view[start : start + CHUNK]))
            size += len(gathered[-1])
            if size >= GATHERED:
                yield b"".join(gathered)
                gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _clipped(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return


async def _in_threads(pieces: Iterator[bytes], close: Any) -> AsyncGenerator[bytes, None]:
    try:
        while piece := await in_thread(next, pieces, b""):
            yield piece
    finally:
        if close is not None:
            close()


async def streamed(pieces: Iterable[Buffer], length: int | None = None) -> AsyncGenerator[bytes, None]:
    """A body made by a blocking iterator, in threads.  The first piece is made before this returns: what fails at once
    becomes an error answer."""
    sized = _sized(pieces)
    if length is not None:
        sized = _clipped(sized, length)
    first = await in_thread(next, sized, b"")
    return _in_threads(chain((first,) if first else (), sized), getattr(pieces, "close", None))


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""  # pragma: no cover


async def stream_reply(
    scope: Scope, headers: Headers, pieces: Iterable[Buffer], length: int | None = None, status: int = 200
) -> Reply:
    """A streamed answer; for HEAD nothing is read."""
    body = _nothing() if scope.get(HEAD) else await streamed(pieces, length)
    return Reply(status, headers, body, length)


def matches(scope: Any, etag: str) -> bool:
    """If-None-Match, compared weakly (RFC 9110 13.1.2)."""
    given = header(scope, b"if-none-match")
    if not given:
        return False
    listed = [one.strip().removeprefix("W/") for one in given.split(",")]
    return "*" in listed or etag.removeprefix("W/") in listed


def unchanged(scope: Scope, headers: Headers) -> Reply | None:
    """304 when the client has what ``headers`` name; it repeats them."""
    if not matches(scope, headers["etag"]):
        return None
    kept = {name: headers[name] for name in ("etag", "vary", "cache-control", "content-location") if name in headers}
    return Reply(304, kept)


def span_wanted(scope: Scope, size: int, etag: str) -> tuple[int, int] | None:
    """The byte range asked for; with If-Range only when the client's part is of this body (RFC 9110 13.1.5)."""
    condition = header(scope, b"if-range")
    if condition and condition.strip() != etag:
        return None
    return byte_range(header(scope, b"range"), size)


def ranged(scope: Scope, body: bytes, headers: Headers) -> Reply:
    """A single part, whole or by Range (PS3.18 8.4.1, RFC 9110 14)."""
    span = span_wanted(scope, len(body), headers.get("etag", ""))
    if span is None:
        return Reply(200, {**headers, "accept-ranges": "bytes"}, body)
    first, last = span
    given = {**headers, "accept-ranges": "bytes", "content-range": f"bytes {first}-{last}/{len(body)}"}
    return Reply(206, given, body[first : last + 1])


async def ranged_source(scope: Scope, source: Any, headers: Headers) -> Reply:
    """A :class:`pacs.services.open.Source` of known size, whole or by Range, read as it is sent."""
    span = span_wanted(scope, source.size, headers.get("etag", ""))
    given = {**headers, "accept-ranges": "bytes"}
    if span is None:
        return await stream_reply(scope, given, source.pieces(0), source.size)
    given["content-range"] = f"bytes {span[0]}-{span[1]}/{source.size}"
    return await stream_reply(scope, given, source.pieces(span[0]), span[1] - span[0] + 1, 206)
