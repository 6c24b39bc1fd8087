"""Value representations: their letters, their widths, and which one an element has (PS3.5 6.2; PS3.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_VR

from pacs.dicom.elements import UNDEFINED

# PS3.5 table 7.1-1 (32-bit length) and 7.1-2 (16-bit length)
LONG: Final = {
    vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
}
SHORT: Final = {
    vr.encode(): vr
    for vr in (
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
        "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US",
    )
}  # fmt: skip
VRS: Final = {**LONG, **SHORT}
FRAGMENTED: Final = frozenset(("OB", "OW", "OD", "OF", "OL", "OV"))
# bytes of one value (PS3.5 table 6.2-1)
WIDTH: Final[dict[str, int]] = {
    "AT": 4, "FD": 8, "FL": 4, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2,
    "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8,
}  # fmt: skip
TABLE: Final[dict[int, str]] = {tag: entry[0] for tag, entry in DicomDictionary.items() if entry[0] != "NONE"}
NUMBERS: Final[dict[str, str]] = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q",
}  # fmt: skip
_PRIVATE: Final[dict[str, dict[str, tuple[str, str, str, str]]]] = private_dictionaries


@lru_cache(maxsize=65536)
def _public_vr(tag: int) -> str:
    """VR of a tag outside the plain table: group lengths, repeating groups (PS3.5 7.6)."""
    if not tag & 0xFFFF:
        return "UL"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


@lru_cache(maxsize=65536)
def _private_vr(creator: str, tag: int) -> str:
    """VR of a private element by its creator (PS3.5 7.8), UN where not known."""
    entries = _PRIVATE.get(creator)
    if entries is None:
        return "UN"
    text = f"{tag:08X}"
    for key in (text, f"{text[:4]}xx{text[6:]}", f"{text[:2]}xxxx{text[6:]}"):
        if key in entries:
            return entries[key][0]
    return "UN"


class Scope:
    """What a data set knows for its ambiguous elements: sign and private creators."""

    __slots__ = ("creators", "signed")

    def __init__(self, signed: bool) -> None:
        self.signed = signed
        self.creators: dict[int, str] = {}

    def resolve(self, buffer: memoryview, tag: int, value: int, length: int) -> str:
        """VR by the dictionaries (PS3.5 6.2.2 and Annex A.1)."""
        group, number = tag >> 16, tag & 0xFFFF
        vr = self._private(buffer, group, number, value, length) if group & 1 else TABLE.get(tag) or _public_vr(tag)
        return _fit(self.plain(vr, tag), length)

    def _private(self, buffer: memoryview, group: int, number: int, value: int, length: int) -> str:
        if 0x10 <= number <= 0xFF:
            if length <= 64:
                text = bytes(buffer[value : value + length]).decode("latin-1").strip(" \0")
                self.creators[group << 8 | number] = text
            return "LO"
        if not number:
            return "UL"
        creator = self.creators.get(group << 8 | number >> 8)
        return _private_vr(creator, group << 16 | number) if creator else "UN"

    def plain(self, vr: str, tag: int) -> str:
        """One VR out of "US or SS" and its kin."""
        if len(vr) == 2:
            return vr
        if vr == "US or SS":
            return "SS" if self.signed else "US"
        if vr == "OB or OW" and tag != 0x7FE00010 and tag >> 24 != 0x60 and tag >> 16 != 0x5400:
            return "OB"
        return "OW" if "OW" in vr else "UN"


def _fit(vr: str, length: int) -> str:
    """The VR, or UN where the length is no multiple of its width."""
    width = WIDTH.get(vr)
    return "UN" if width and length != UNDEFINED and length % width else vr
