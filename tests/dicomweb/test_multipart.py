"""Multipart bodies in pieces of every size."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicomweb.multipart import BROKEN, CUT, HEADER_BYTES, NO_END, Multipart
from pacs.domain.errors import BadRequest
from pacs.domain.ports import Buffer


class Part:
    def __init__(self, headers: Mapping[str, str], parts: list["Part | str"]) -> None:
        self.headers, self.data, self.whole = headers, b"", False
        parts.append(self)

    def write(self, data: Buffer) -> None:
        self.data += data

    def end(self) -> None:
        self.whole = True

    def discard(self) -> None:
        self.data = b"discarded"


class Taker:
    def __init__(self) -> None:
        self.parts: list[Part | str] = []

    def part(self, headers: Mapping[str, str]) -> Part:
        return Part(headers, self.parts)

    def failed(self, reason: str) -> None:
        self.parts.append(reason)


def taken(body: bytes, size: int, boundary: str = "XX") -> list[tuple[Mapping[str, str], bytes, bool] | str]:
    taker = Taker()
    reader = Multipart(boundary, taker)
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    reader.close(True)
    return [one if isinstance(one, str) else (one.headers, one.data, one.whole) for one in taker.parts]


TWO = b"--XX\r\nContent-Type: a/b\r\nX:  y \r\n\r\none\r\n--X\r\n--XX \t\r\n\r\n\r\n--XX--\r\nepilogue"
PARTS = [({"content-type": "a/b", "x": "y"}, b"one\r\n--X", True), ({}, b"", True)]


@pytest.mark.parametrize("size", range(1, len(TWO) + 1))
def test_pieces_of_every_size(size: int) -> None:
    assert taken(TWO, size) == PARTS
    assert taken(b"preamble\r\n" + TWO, size) == PARTS


@given(st.lists(st.binary().filter(lambda b: b"--XX" not in b), min_size=1), st.integers(1, 40))
def test_any_bytes(bodies: list[bytes], size: int) -> None:
    body = b"".join(b"--XX\r\nA: b\r\n\r\n" + one + b"\r\n" for one in bodies) + b"--XX--"
    assert taken(body, size) == [({"a": "b"}, one, True) for one in bodies]


@pytest.mark.parametrize(
    ("body", "last"),
    [
        (b"--XX\r\n\r\none\r\n--XX\r\n\r\ntw", CUT),
        (b"--XX\r\n\r\none\r\n--XX\r\n", NO_END),
        (b"--XX\r\n\r\none\r\n--XXtail\r\n\r\n\r\n--XX--", BROKEN),
        (b"--XX\r\n\r\none\r\n--XX\r\nno header\r\n\r\n\r\n--XX--", BROKEN),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_cut_or_broken_is_told_and_what_was_whole_stays(body: bytes, last: str, size: int) -> None:
    parts = taken(body, size)
    assert parts[0] == ({}, b"one", True)
    assert parts[-1] == last


@pytest.mark.parametrize(
    "body",
    [
        b"x" * (HEADER_BYTES + 9),
        b"--XXYY\r\n\r\n",
        b"--XX\r\n" + b"A: b\r\n" * HEADER_BYTES,
        b"--XX\r\n: nameless\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_no_multipart(body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        taken(body, size)


def test_folded_header() -> None:
    assert taken(b"--XX\r\nContent-Type: a/b;\r\n  c=d\r\n\r\n\r\n--XX--", 9) == [({"content-type": "a/b; c=d"}, b"", True)]
