"""Small Part 10 files made up for tests: valid, Explicit VR Little Endian, any number of them in no time."""

import struct

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
_LONG = frozenset(("OB", "OW", "SQ", "UN", "UT"))


def element(tag: int, vr: str, value: bytes | str | int) -> bytes:
    """One encoded element (PS3.5 7.1.2); an int is a US."""
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode()
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in _LONG:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def part10(
    study: str, series: str, instance: str, *, number: int = 1, series_number: int = 1, comment: str = "", frames: int = 1,
    side: int = 4, seed: int = 0, bulk: bytes = b"", patient: str = "Made^Up", modality: str = "CT",
) -> bytes:  # fmt: skip
    """A monochrome image of ``frames`` frames of ``side`` x ``side`` bytes.

    ``comment`` stands in Image Comments (0020,4000), ``seed`` moves the pixels, ``bulk`` is a private value.
    """
    meta = b"".join((
        element(0x00020001, "OB", b"\0\1"), element(0x00020002, "UI", CT), element(0x00020003, "UI", instance),
        element(0x00020010, "UI", EXPLICIT_LE), element(0x00020012, "UI", "2.25.1"),
    ))  # fmt: skip
    pixels = bytes((seed * 31 + at * 7) % 256 for at in range(frames * side * side))
    parts = [
        element(0x00080016, "UI", CT), element(0x00080018, "UI", instance), element(0x00080020, "DA", "20240102"),
        element(0x00080060, "CS", modality), element(0x00100010, "PN", patient), element(0x00100020, "LO", "P1"),
        element(0x0020000D, "UI", study), element(0x0020000E, "UI", series), element(0x00200011, "IS", str(series_number)),
        element(0x00200013, "IS", str(number)), element(0x00204000, "LT", comment) if comment else b"",
        element(0x00280002, "US", 1), element(0x00280004, "CS", "MONOCHROME2"),
        element(0x00280008, "IS", str(frames)) if frames > 1 else b"", element(0x00280010, "US", side),
        element(0x00280011, "US", side), element(0x00280100, "US", 8), element(0x00280101, "US", 8),
        element(0x00280102, "US", 7), element(0x00280103, "US", 0),
        element(0x00290010, "LO", "MADE UP") + element(0x00291001, "OB", bulk) if bulk else b"",
        element(0x7FE00010, "OB", pixels),
    ]  # fmt: skip
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + b"".join(parts)
