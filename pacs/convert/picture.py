"""What it takes to read and draw the frames of an instance (PS3.3 C.7.6.3, C.7.6.16, C.11.1, C.11.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pacs.convert.describe import at_rest
from pacs.dicom.pixels import describe, layout
from pacs.dicom.reader import DicomFile, Element
from pacs.domain.errors import RenderFailed


class Lut(NamedTuple):
    """A lookup table: first value mapped, bits of an entry, entries as 16 bit little endian."""

    first: int
    bits: int
    data: bytes


class PaletteLut(NamedTuple):
    """One colour of a palette: number of entries, first value mapped, bits of an entry, entries."""

    entries: int
    first: int
    bits: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header says about the pixels; ``syntax`` is that of the frame's bytes (native: little endian)."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: int
    syntax: str
    center: float | None = None
    width: float | None = None
    voi_function: str = "LINEAR"
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_lut: Lut | None = None
    palette: tuple[PaletteLut, PaletteLut, PaletteLut] | None = None
    float_kind: int = 0
    padding: tuple[int, int] | None = None
    inverse: bool = False
    icc: bytes = b""
    frame_time: float = 0.0

    @property
    def weight(self) -> int:
        """Bytes of its tables and profile."""
        luts = [lut.data for lut in (self.modality_lut, self.voi_lut, *(self.palette or ())) if lut is not None]
        return sum(map(len, (*luts, self.icc)))


def picture_of(file: DicomFile, frame: int = 1) -> Picture:
    """The picture of the file's frame (from 1).  Raises :class:`RenderFailed` when it has no pixels."""
    pixels = describe(file)
    found = layout(file)
    if pixels is None or found.element is None or not found.count:
        raise RenderFailed("the instance has no pixel data to draw")
    groups = _Groups(file, frame)
    return Picture(
        rows=pixels.rows, columns=pixels.columns, samples=pixels.samples, photometric=pixels.photometric,
        bits_allocated=pixels.bits_allocated, bits_stored=pixels.bits_stored, high_bit=pixels.high_bit,
        signed=pixels.signed, planar=pixels.planar, syntax=at_rest(file.transfer_syntax),
        center=groups.number(0x00289132, 0x00281050), width=groups.number(0x00289132, 0x00281051),
        voi_function=file.text(0x00281056) or "LINEAR",
        slope=_or(groups.number(0x00289145, 0x00281053), 1.0), intercept=_or(groups.number(0x00289145, 0x00281052), 0.0),
        modality_lut=_sequence_lut(file, 0x00283000), voi_lut=_sequence_lut(file, 0x00283010),
        palette=_palette(file), 
        float_kind={0x7FE00008: 32, 0x7FE00009: 64}.get(found.element.tag, 0),
        padding=_padding(file, pixels.signed), inverse=file.text(0x20500020) == "INVERSE",
        icc=_icc(file), frame_time=_frame_time(file),
    )  # fmt: skip


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


class _Groups:
    """Values of the data set, else of the frame's functional groups, its own before the shared (PS3.3 C.7.6.16)."""

    def __init__(self, file: DicomFile, frame: int) -> None:
        self._file = file
        self._items: list[Mapping[int, Element]] = []
        for tag, index in ((0x52009230, frame - 1), (0x52009229, 0)):
            sequence = file.find(tag)
            if sequence is not None and sequence.items and 0 <= index < len(sequence.items):
                self._items.append({element.tag: element for element in sequence.items[index].elements})

    def number(self, macro: int, tag: int) -> float | None:
        """The first value of ``tag``, in the data set or in the item of the ``macro`` sequence."""
        found = self._file.number(tag)
        if found is not None:
            return found
        for item in self._items:
            sequence = item.get(macro)
            for element in sequence.items[0].elements if sequence is not None and sequence.items else ():
                if element.tag == tag:
                    return _decimal(self._file, element)
        return None


def _decimal(file: DicomFile, element: Element) -> float | None:
    text = bytes(file.raw(element)).split(b"\\")[0].strip(b" \0")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _padding(file: DicomFile, signed: bool) -> tuple[int, int] | None:
    """The range of values that are no image (PS3.3 C.7.5.1.1.2), of the pixels' sign whatever its VR says."""
    found = [file.integer(tag) for tag in (0x00280120, 0x00280121)]
    value, limit = (one - 65536 if one is not None and signed and one > 32767 else one for one in found)
    if value is None:
        return None
    limit = value if limit is None else limit
    return min(value, limit), max(value, limit)


def _icc(file: DicomFile) -> bytes:
    """The ICC profile of the image, or of its first optical path (PS3.3 C.11.15)."""
    element = file.find(0x00282000)
    paths = file.find(0x00480105)
    if element is None and paths is not None and paths.items:
        element = next((e for e in paths.items[0].elements if e.tag == 0x00282000), None)
    return bytes(file.raw(element)) if element is not None and element.items is None else b""


def _frame_time(file: DicomFile) -> float:
    """Milliseconds between frames, 0 where the object does not say (PS3.3 C.7.6.5)."""
    rate = file.number(0x00082144) or file.number(0x00180040)
    time = file.number(0x00181063)
    vector = file.values(0x00181065)
    if rate is not None and rate > 0:
        return 1000.0 / rate
    if time is None and len(vector) > 1:
        try:
            time = float(vector[1])
        except ValueError:
            time = None
    return time if time is not None and time > 0 else 0.0


def _words(file: DicomFile, element: Element) -> list[int]:
    raw = bytes(file.raw(element))
    order = "little" if file.little else "big"
    return [int.from_bytes(raw[i : i + 2], order) for i in range(0, len(raw) - 1, 2)]  # type: ignore[arg-type]


def _data(file: DicomFile, element: Element) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in _words(file, element))


def _sequence_lut(file: DicomFile, tag: int) -> Lut | None:
    sequence = file.find(tag)
    if sequence is None or not sequence.items:
        return None
    inner = {element.tag: element for element in sequence.items[0].elements}
    if 0x00283002 not in inner or 0x00283006 not in inner:
        return None
    described = _words(file, inner[0x00283002])
    return Lut(_first(described[1]), described[2], _data(file, inner[0x00283006])) if len(described) >= 3 else None


def _first(value: int) -> int:
    return value - 65536 if value > 32767 else value


def _palette(file: DicomFile) -> tuple[PaletteLut, PaletteLut, PaletteLut] | None:
    tables = []
    for colour in range(3):
        described = file.find(0x00281101 + colour)
        data, segmented = file.find(0x00281201 + colour), file.find(0x00281221 + colour)
        words = _words(file, described) if described is not None else []
        if len(words) < 3:
            return None
        if data is not None:
            entries = _data(file, data)
        elif segmented is not None:
            entries = expand_segments(_words(file, segmented), words[0] or 65536)
        else:
            return None
        tables.append(PaletteLut(words[0] or 65536, _first(words[1]), words[2], entries))
    return tables[0], tables[1], tables[2]


def expand_segments(words: list[int], entries: int) -> bytes:
    """The table of a segmented palette: discrete, linear and indirect segments (PS3.3 C.7.9.2).

    Segments that run past ``entries`` or their own end are cut there.
    """
    out: list[int] = []
    starts: list[int] = []
    at = 0
    while at + 1 < len(words) and len(out) < entries:
        starts.append(at)
        at += _segment(words, at, out, starts)
    return b"".join((value & 0xFFFF).to_bytes(2, "little") for value in out[:entries])


def _segment(words: list[int], at: int, out: list[int], starts: list[int]) -> int:
    """Appends one segment; the words it takes."""
    opcode, length = words[at], words[at + 1]
    if opcode == 0:
        out += words[at + 2 : at + 2 + length]
        return 2 + length
    if opcode == 1 and at + 2 < len(words):
        first, last = (out[-1] if out else 0), words[at + 2]
        out += [first + round((last - first) * step / length) for step in range(1, length + 1)]
        return 3
    if opcode == 2 and at + 3 < len(words):
        offset = words[at + 2] | words[at + 3] << 16
        if offset in starts[:-1]:
            index = starts.index(offset)
            for start in starts[index : index + length]:
                if start != at and words[start] != 2:
                    _segment(words, start, out, starts)
        return 4
    return len(words)
