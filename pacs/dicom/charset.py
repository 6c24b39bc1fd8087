"""Specific Character Set (0008,0005): bytes to text (PS3.5 section 6.1; PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

_ESC: Final = 0x1B
_UNKNOWN: Final = ""
_SINGLE: Final[dict[str, str]] = {
    **python_encoding,
    "": "ascii", "ISO_IR 6": "ascii", "ISO 2022 IR 6": "ascii",
    "ISO_IR 203": "iso8859_15", "ISO 2022 IR 203": "iso8859_15",
    "GBK": "gbk", "ISO 2022 IR 58": "gb2312", "ISO 2022 58": "gb2312", "ISO_IR 192": "utf-8",
}  # fmt: skip
# initial sets that are themselves reached by an escape only
_NEEDS_ESCAPE: Final = {"iso2022_jp", "iso2022_jp_2"}

# PS3.3 tables C.12-3 and C.12-4: escape sequence -> codec of the set it designates
_G1: Final[dict[bytes, str]] = {
    b"\x1b-A": "latin_1", b"\x1b-B": "iso8859_2", b"\x1b-C": "iso8859_3", b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7", b"\x1b-G": "iso8859_6", b"\x1b-H": "iso8859_8", b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9", b"\x1b-T": "tis_620", b"\x1b-b": "iso8859_15", b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr", b"\x1b$)A": "gb2312",
}
_G0_TWO_BYTES: Final = {b"\x1b$B", b"\x1b$@", b"\x1b$(D"}
_G0_ONE_BYTE: Final = {b"\x1b(B", b"\x1b(J"}
_SEGMENTS: Final = re.compile(rb"(\x1b\$[()].|\x1b\$.|\x1b[()\-.].)", re.DOTALL)
_DELIMITERS: Final = re.compile(rb"[\\\t\n\f\r]")
_PN_DELIMITERS: Final = re.compile(rb"[\\^=\t\n\f\r]")


class Charset:
    """The decoder of one value of Specific Character Set."""

    __slots__ = ("_first", "_others", "extended", "terms")

    def __init__(self, terms: tuple[str, ...]) -> None:
        self.terms = terms
        codecs = [_SINGLE.get(term, _UNKNOWN) for term in terms] or ["ascii"]
        self._first = codecs[0]
        self._others = tuple(codec for codec in codecs[1:] if codec and codec not in _NEEDS_ESCAPE)
        self.extended = len(terms) > 1 or any(term.startswith("ISO 2022") for term in terms)

    def decode(self, raw: bytes, vr: str = "LO") -> str:
        """The text of these bytes; never raises (wrong bytes: UTF-8, then Latin-1)."""
        if raw.isascii() and (not self.extended or _ESC not in raw):
            return raw.decode("ascii")
        if _ESC in raw and self.extended:
            return self._decode_escaped(raw, _PN_DELIMITERS if vr == "PN" else _DELIMITERS)
        return self._plain(raw)

    def _plain(self, raw: bytes) -> str:
        """Bytes without escapes: the first set, UTF-8, a further set, Latin-1."""
        for codec in (self._first, "utf-8", *self._others):
            text = _try(raw, codec)
            if text is not None:
                return text
        return raw.decode("latin-1")

    def _decode_escaped(self, raw: bytes, delimiters: re.Pattern[bytes]) -> str:
        """Code extension (PS3.5 6.1.2.5): designations hold to the next one or a delimiter."""
        out: list[str] = []
        two_bytes, right = b"", self._first
        for part in _SEGMENTS.split(raw):
            if part in _G0_TWO_BYTES:
                two_bytes = part
            elif part in _G0_ONE_BYTE:
                two_bytes = b""
            elif part in _G1:
                right, two_bytes = _G1[part], b""
            elif part and two_bytes:
                out.append(self._two_byte(two_bytes, part))
            elif part:
                text, reset = self._one_byte(part, right, delimiters)
                out.append(text)
                right = self._first if reset else right
        return "".join(out)

    def _two_byte(self, escape: bytes, part: bytes) -> str:
        """A run of JIS X 0208 or JIS X 0212 (PS3.5 Annex H)."""
        text = _try(escape + part, "iso2022_jp_2")
        if text is not None:
            return text
        return self._plain(part) if not part.isascii() else (escape + part).decode("iso2022_jp_2", "replace")

    def _one_byte(self, part: bytes, right: str, delimiters: re.Pattern[bytes]) -> tuple[str, bool]:
        """A run of single-byte text or a G1 set; after a delimiter the initial set holds again."""
        found = delimiters.search(part)
        if found is None:
            return self._with(part, right), False
        head, tail = part[: found.start()], part[found.start() :]
        first = _try(tail, self._first)
        return self._with(head, right) + (first if first is not None else self._with(tail, right)), True

    def _with(self, part: bytes, codec: str) -> str:
        """Decode with this codec, else as plain text."""
        text = _try(part, codec)
        return text if text is not None else self._plain(part)


def _try(raw: bytes, codec: str) -> str | None:
    """The text, or None where the bytes do not fit or the codec is not known."""
    if not codec:
        return None
    try:
        return raw.decode(codec)
    except (UnicodeError, LookupError):
        return None


def charset(raw: bytes) -> Charset:
    """The decoder for the bytes of (0008,0005); what no honest value needs is cut off."""
    return _cached(raw[:512])


@lru_cache(maxsize=512)
def _cached(raw: bytes) -> Charset:
    """One decoder per value."""
    text = raw.decode("latin-1").strip(" \0")
    if not text:
        return DEFAULT
    return Charset(tuple(term.strip(" \0") for term in text.split("\\")))


DEFAULT: Final = Charset(())
