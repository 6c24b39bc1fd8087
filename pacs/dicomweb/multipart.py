"""Multipart bodies, taken apart as they come (RFC 2046 5.1, RFC 2387; PS3.18 8.6.1.2)."""

from collections.abc import Mapping
from typing import Any, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pacs.domain.errors import BadRequest, Refused

HEADER_BYTES = 16 << 10
MOST_PARTS = 100_000
CUT = "the body ends before its last boundary: this part was not received whole"
NO_END = "the body ends without its last boundary: parts may be missing"
BROKEN = "the body is damaged behind the parts before this one"


class Sink(Protocol):
    """Where one part goes."""

    def write(self, data: bytes) -> None: ...

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
        self._ended = False
        self._sink: Sink | None = None
        self._headers: dict[str, str] = {}
        self._name, self._value, self._size = b"", b"", 0
        self._parser = MultipartParser(boundary.encode("latin-1"), self._callbacks())

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._more,
            "on_header_end": self._header,
            "on_headers_finished": self._ready,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._done,
        }

    def feed(self, data: bytes) -> None:
        """Some of the body; BadRequest when it is no multipart and no part is whole yet."""
        if self._ended or not self.sound:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            if not self.finished:
                raise BadRequest(f"the body is not multipart with this boundary: {error}") from None
            self._break(BROKEN)

    def close(self, whole: bool) -> None:
        """The end; ``whole``: the body came to the end it announced.  A part still open becomes a failure."""
        if self.sound and self._sink is not None:
            self._break(CUT)
        elif self.sound and self.finished and not (self._ended and whole):
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

    def _begin(self) -> None:
        if self.finished >= MOST_PARTS:
            raise BadRequest(f"more than {MOST_PARTS} parts")
        self._headers, self._size = {}, 0

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._bound(end - start)

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound(end - start)

    def _bound(self, more: int) -> None:
        self._size += more
        if self._size > HEADER_BYTES:
            raise BadRequest(f"the headers of a part are longer than {HEADER_BYTES} bytes")

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").strip().lower()] = self._value.decode("latin-1").strip()
        self._name, self._value = b"", b""

    def _ready(self) -> None:
        self._sink = self._taker.part(self._headers)

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink is not None
        self._sink.write(data[start:end])

    def _end(self) -> None:
        assert self._sink is not None
        self._sink.end()
        self._sink = None
        self.finished += 1

    def _done(self) -> None:
        self._ended = True


class Nowhere:
    """A part of a type that is not taken: its bytes go nowhere, the refusal stands for it."""

    def __init__(self, refusal: Refused) -> None:
        self.refusal = refusal

    def write(self, data: bytes) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def discard(self) -> None:
        """Nothing."""
