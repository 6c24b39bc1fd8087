"""Multipart bodies, taken apart as they come (RFC 2046 5.1, RFC 2387; PS3.18 8.6.1.2).

Of our own: one search for the whole boundary costs a tenth of what a general parser spends on the bytes of an image, and a
store spends a tenth of its time there.
"""

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from pacs.domain.errors import BadRequest, Refused
from pacs.domain.ports import Buffer

HEADER_BYTES = 16 << 10
MOST_PARTS = 100_000
CUT = "the body ends before its last boundary: this part was not received whole"
NO_END = "the body ends without its last boundary: parts may be missing"
BROKEN = "the body is damaged behind the parts before this one"


class Malformed(Exception):
    """The body breaks the grammar; the text says how."""


class Sink(Protocol):
    """Where one part goes."""

    def write(self, data: Buffer) -> None: ...

    def end(self) -> None: ...

    def discard(self) -> None: ...


class Taker(Protocol):
    """Who takes the parts."""

    def part(self, headers: Mapping[str, str]) -> Sink:
        """A part begins; names of headers are in lower case."""

    def failed(self, reason: str) -> None:
        """A part that cannot be had."""


class Single:
    """A body that is one part (PS3.18 8.6.1.1)."""

    def __init__(self, headers: Mapping[str, str], taker: Taker) -> None:
        self.finished = 0
        self.sound = True
        self._headers, self._taker = headers, taker
        self._sink: Sink | None = None

    def feed(self, data: bytes) -> None:
        """Some of the body."""
        if self._sink is None:
            self._sink = self._taker.part(self._headers)
        self._sink.write(data)

    def close(self, whole: bool) -> None:
        """The end; ``whole``: the body came to the end it announced."""
        if self._sink is not None and whole:
            self._sink.end()
            self.finished = 1
            self._sink = None
        elif self._sink is not None:
            self.sound = False
            self.discard()
            self._taker.failed(CUT)

    def discard(self) -> None:
        """A part that is open is not wanted."""
        if self._sink is not None:
            self._sink.discard()
            self._sink = None


class Multipart:
    """The parts between the boundaries, each to a sink of its own.

    ``finished``: parts that came whole.  ``sound``: whether the body was well-formed to its end.
    """

    def __init__(self, boundary: str, taker: Taker) -> None:
        self.finished = 0
        self.sound = True
        self._taker = taker
        self._sink: Sink | None = None
        self._mark = b"\r\n--" + boundary.encode("latin-1")
        self._rest = b"\r\n"  # what precedes every boundary but one at the start of the body
        self._step: Callable[[bytes, int], int | None] | None = self._preamble

    def feed(self, data: bytes) -> None:
        """Some of the body; BadRequest when it is no multipart and no part is whole yet."""
        if self._step is None or not self.sound:
            return
        try:
            self._take(self._rest + data)
        except Malformed as error:
            if not self.finished:
                raise BadRequest(f"the body is not multipart with this boundary: {error}") from None
            self._break(BROKEN)

    def _take(self, data: bytes) -> None:
        """Steps through the data; a step says where the next begins, or None when it needs more than there is."""
        at: int | None = 0
        while at is not None and self._step is not None:
            self._rest = b""
            at = self._step(data, at)

    def _preamble(self, data: bytes, at: int) -> int | None:
        """What precedes the first boundary is no part; little of it is borne with (RFC 2046 5.1.1)."""
        found = data.find(self._mark, at)
        if found < 0 and len(data) > HEADER_BYTES:
            raise Malformed("it does not begin with a boundary")
        if found < 0:
            self._rest = data[at:]
            return None
        self._step = self._boundary
        return found

    def _boundary(self, data: bytes, at: int) -> int | None:
        """The rest of a boundary's line: the end of the body, or spaces and a new part."""
        start = at + len(self._mark)
        if data[start : start + 2] == b"--":
            self._step = None
            return None
        end = data.find(b"\r\n", start)
        if data[start : end if end >= 0 else None].strip(b" \t\r") and len(data) > start + 1:
            raise Malformed("a boundary is followed by something else")
        if end < 0:
            self._rest = data[at:]
            return None
        self._step = self._headers
        return end

    def _headers(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data)) - at > HEADER_BYTES:
            raise BadRequest(f"the headers of a part are longer than {HEADER_BYTES} bytes")
        if end < 0:
            self._rest = data[at:]
            return None
        if self.finished >= MOST_PARTS:
            raise BadRequest(f"more than {MOST_PARTS} parts")
        self._sink = self._taker.part(headers_of(data[at:end]))
        self._step = self._body
        return end + 4

    def _body(self, data: bytes, at: int) -> int | None:
        assert self._sink is not None
        found = data.find(self._mark, at)
        end = found if found >= 0 else max(at, len(data) - len(self._mark) + 1)
        if end > at:
            self._sink.write(data if end - at == len(data) else memoryview(data)[at:end])
        if found < 0:
            self._rest = data[end:]
            return None
        sink, self._sink = self._sink, None
        sink.end()
        self.finished += 1
        self._step = self._boundary
        return found

    def close(self, whole: bool) -> None:
        """The end; ``whole``: the body came to the end it announced.  A part still open becomes a failure."""
        if self.sound and self._sink is not None:
            self._break(CUT)
        elif self.sound and self.finished and not (self._step is None and whole):
            self._break(NO_END)

    def _break(self, reason: str) -> None:
        self.sound = False
        self.discard()
        self._taker.failed(reason)

    def discard(self) -> None:
        """A part that is open is not wanted."""
        if self._sink is not None:
            self._sink.discard()
            self._sink = None


def headers_of(lines: bytes) -> dict[str, str]:
    """The headers of a part, names in lower case; folded lines are joined (RFC 5322 2.2.3)."""
    found: dict[str, str] = {}
    for line in re.sub(rb"\r\n[ \t]+", b" ", lines).decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if line and not (colon and name.strip()):
            raise Malformed(f"a header of a part is none: {line[:60]!r}")
        if line:
            found[name.strip().lower()] = value.strip()
    return found


class Nowhere:
    """A part of a type that is not taken: its bytes go nowhere, the refusal stands for it."""

    def __init__(self, refusal: Refused) -> None:
        self.refusal = refusal

    def write(self, data: Buffer) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def discard(self) -> None:
        """Nothing."""
