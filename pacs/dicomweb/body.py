"""Request bodies: limits, content codings, and connections that are closed in good order (RFC 9110 8.4, RFC 9112 9.6)."""

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from pacs.domain.errors import BadRequest, TooLarge, UnsupportedMedia

BUFFER = 1 << 20
LINGER = 64 << 20
CODINGS = "gzip, deflate, identity"


class Decoder(Protocol):
    """Undoes a content coding.  ``whole``: the coded stream came to its end."""

    whole: bool

    def pieces(self, data: bytes) -> Iterator[bytes]: ...


class Identity:
    """No coding."""

    whole = True

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


class Inflate:
    """gzip and deflate (zlib), never more than ``most`` bytes in all and :data:`BUFFER` in memory."""

    def __init__(self, most: int) -> None:
        self.whole = False
        self._most, self._total = most, 0
        self._inflater = zlib.decompressobj(wbits=47)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """BadRequest for what is no such stream, TooLarge over the limit."""
        try:
            while data and not self._inflater.eof:
                found = self._inflater.decompress(data, BUFFER)
                data = self._inflater.unconsumed_tail
                self._count(len(found))
                yield found
        except zlib.error as error:
            raise BadRequest(f"the body is not of the Content-Encoding it declares: {error}") from None
        self.whole = self._inflater.eof

    def _count(self, more: int) -> None:
        self._total += more
        if self._total > self._most:
            raise TooLarge(f"the body unpacks to more than {self._most} bytes", self._most)


def decoder(coding: str, most: int) -> Decoder:
    """By the Content-Encoding; UnsupportedMedia for one that is not known."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return Identity()
    if name in ("gzip", "x-gzip", "deflate"):
        return Inflate(most)
    raise UnsupportedMedia(f"Content-Encoding {name[:60]!r}: {CODINGS} are taken")


class Reader:
    """The body of one request, of at most ``most`` bytes as they are sent."""

    def __init__(self, request: Any, most: int) -> None:
        self._request, self._most, self._left = request, most, True

    def check(self) -> None:
        """TooLarge when the Content-Length says so already, before a byte of the body is asked for."""
        length = self._request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._most):
            raise TooLarge(f"the body is over the limit of {self._most} bytes", self._most)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Pieces of about :data:`BUFFER`, none of them empty; TooLarge over the limit."""
        waiting, size, total = [], 0, 0
        async for chunk in self._chunks():
            total += len(chunk)
            if total > self._most:
                raise TooLarge(f"the body is over the limit of {self._most} bytes", self._most)
            waiting.append(chunk)
            size += len(chunk)
            if size >= BUFFER:
                yield b"".join(waiting)
                waiting, size = [], 0
        if size:
            yield b"".join(waiting)

    async def _chunks(self) -> AsyncIterator[bytes]:
        """As they come; BadRequest when the client goes away, which nobody reads."""
        while self._left:
            message = await self._request.receive()
            if message["type"] != "http.request":
                self._left = False
                raise BadRequest("the client went away")
            self._left = message.get("more_body", False)
            if data := message.get("body", b""):
                yield data

    async def linger(self) -> None:
        """Reads on for a while: a connection closed over unread bytes is reset, and the answer lost with it.

        Not for a client that waits to be asked for the body.
        """
        total = 0
        if "100-continue" in self._request.headers.get("expect", "").lower():
            return
        while self._left and total < LINGER:
            message = await self._request.receive()
            total += len(message.get("body", b""))
            self._left = message["type"] == "http.request" and message.get("more_body", False)
