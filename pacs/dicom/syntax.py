"""Transfer syntaxes (PS3.5 section 10 and Annex A; PS3.6 Annex A; media types of PS3.18 section 8.7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
GE_PRIVATE: Final = "1.2.840.113619.5.2"

OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Syntax:
    """One transfer syntax: how the data set is walked and what its frames are."""

    uid: str
    name: str
    explicit: bool
    little: bool
    deflated: bool
    encapsulated: bool
    media_type: str
    lossy: bool


_NATIVE: Final = (
    Syntax(IMPLICIT_LITTLE, "Implicit VR Little Endian", False, True, False, False, OCTETS, False),
    Syntax(EXPLICIT_LITTLE, "Explicit VR Little Endian", True, True, False, False, OCTETS, False),
    Syntax(DEFLATED, "Deflated Explicit VR Little Endian", True, True, True, False, OCTETS, False),
    Syntax(EXPLICIT_BIG, "Explicit VR Big Endian", True, False, False, False, OCTETS, False),
    Syntax(GE_PRIVATE, "GE Private Implicit VR, Big Endian Pixels", False, True, False, False, OCTETS, False),
    Syntax("1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", False, True, False, False, OCTETS, False),
    Syntax("1.2.840.10008.1.2.4.94", "JPIP Referenced", True, True, False, False, OCTETS, False),
    Syntax("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", True, True, True, False, OCTETS, False),
    Syntax("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", True, True, False, False, OCTETS, False),
    Syntax("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", True, True, True, False, OCTETS, False),
)

# (end of the UID, name, media type, lossy); all explicit little endian (PS3.5 A.4)
_ENCAPSULATED: Final = (
    ("4.50", "JPEG Baseline (Process 1)", "image/jpeg", True),
    ("4.51", "JPEG Extended (Process 2 and 4)", "image/jpeg", True),
    ("4.53", "JPEG Spectral Selection (Process 6 and 8)", "image/jpeg", True),
    ("4.55", "JPEG Full Progression (Process 10 and 12)", "image/jpeg", True),
    ("4.57", "JPEG Lossless (Process 14)", "image/jpeg", False),
    ("4.70", "JPEG Lossless SV1", "image/jpeg", False),
    ("4.80", "JPEG-LS Lossless", "image/jls", False),
    ("4.81", "JPEG-LS Near-Lossless", "image/jls", True),
    ("4.90", "JPEG 2000 Lossless", "image/jp2", False),
    ("4.91", "JPEG 2000", "image/jp2", True),
    ("4.92", "JPEG 2000 Part 2 Lossless", "image/jpx", False),
    ("4.93", "JPEG 2000 Part 2", "image/jpx", True),
    ("4.100", "MPEG2 Main Profile / Main Level", "video/mpeg", True),
    ("4.100.1", "Fragmentable MPEG2 Main Profile / Main Level", "video/mpeg", True),
    ("4.101", "MPEG2 Main Profile / High Level", "video/mpeg", True),
    ("4.101.1", "Fragmentable MPEG2 Main Profile / High Level", "video/mpeg", True),
    ("4.102", "MPEG-4 AVC/H.264 High Profile", "video/mp4", True),
    ("4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile", "video/mp4", True),
    ("4.103", "MPEG-4 AVC/H.264 BD-compatible", "video/mp4", True),
    ("4.103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible", "video/mp4", True),
    ("4.104", "MPEG-4 AVC/H.264 High Profile 2D", "video/mp4", True),
    ("4.104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile 2D", "video/mp4", True),
    ("4.105", "MPEG-4 AVC/H.264 High Profile 3D", "video/mp4", True),
    ("4.105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile 3D", "video/mp4", True),
    ("4.106", "MPEG-4 AVC/H.264 Stereo High Profile", "video/mp4", True),
    ("4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile", "video/mp4", True),
    ("4.107", "HEVC/H.265 Main Profile", "video/mp4", True),
    ("4.108", "HEVC/H.265 Main 10 Profile", "video/mp4", True),
    ("4.110", "JPEG XL Lossless", "image/jxl", False),
    ("4.111", "JPEG XL JPEG Recompression", "image/jxl", True),
    ("4.112", "JPEG XL", "image/jxl", True),
    ("4.201", "High-Throughput JPEG 2000 Lossless", "image/jphc", False),
    ("4.202", "High-Throughput JPEG 2000 Lossless RPCL", "image/jphc", False),
    ("4.203", "High-Throughput JPEG 2000", "image/jphc", True),
    ("5", "RLE Lossless", "image/dicom-rle", False),
    ("8.1", "Deflated Image Frame Compression", OCTETS, False),
)


def _table() -> dict[str, Syntax]:
    """Every known syntax by its UID."""
    table = {entry.uid: entry for entry in _NATIVE}
    for end, name, media, lossy in _ENCAPSULATED:
        uid = f"1.2.840.10008.1.2.{end}"
        table[uid] = Syntax(uid, name, True, True, False, True, media, lossy)
    return table


SYNTAXES: Final[dict[str, Syntax]] = _table()


def syntax(uid: str) -> Syntax:
    """The syntax of this UID; an unknown one is opaque, encapsulated, explicit little endian (PS3.5 A.4)."""
    known = SYNTAXES.get(uid)
    if known is not None:
        return known
    return Syntax(uid, "unknown", True, True, False, True, OCTETS, False)
