"""What it takes to draw a frame, read from the data set (PS3.3 C.7.6.3, C.11.1, C.11.2)."""

from pacs.convert.render import Picture
from pacs.dicom.pixels import describe, layout
from pacs.dicom.reader import DicomFile, Element
from pacs.domain.errors import RenderFailed

Lut = tuple[int, int, bytes]
Table = tuple[int, int, int, bytes]


def picture_of(file: DicomFile) -> Picture:
    """The picture of the file's frames.  Raises :class:`RenderFailed` when it has no pixels."""
    pixels = describe(file)
    found = layout(file)
    if pixels is None or found.element is None or not found.count:
        raise RenderFailed("the instance has no pixel data to draw")
    return Picture(
        rows=pixels.rows, columns=pixels.columns, samples=pixels.samples, photometric=pixels.photometric,
        bits_allocated=pixels.bits_allocated, bits_stored=pixels.bits_stored, high_bit=pixels.high_bit,
        signed=pixels.signed, planar=pixels.planar, syntax=file.transfer_syntax,
        center=file.number(0x00281050), width=file.number(0x00281051), voi_function=file.text(0x00281056),
        slope=_or(file.number(0x00281053), 1.0), intercept=_or(file.number(0x00281052), 0.0),
        modality_lut=_sequence_lut(file, 0x00283000), voi_lut=_sequence_lut(file, 0x00283010),
        palette=_palette(file), number_of_frames=found.count,
        float_kind={0x7FE00008: 32, 0x7FE00009: 64}.get(found.element.tag, 0),
    )  # fmt: skip


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


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
    return (_first(described[1]), described[2], _data(file, inner[0x00283006])) if len(described) >= 3 else None


def _first(value: int) -> int:
    return value - 65536 if value > 32767 else value


def _palette(file: DicomFile) -> tuple[Table, Table, Table] | None:
    tables = []
    for colour in range(3):
        described, data = file.find(0x00281101 + colour), file.find(0x00281201 + colour)
        if described is None or data is None:
            return None
        words = _words(file, described)
        if len(words) < 3:
            return None
        tables.append((words[0] or 65536, _first(words[1]), words[2], _data(file, data)))
    return tables[0], tables[1], tables[2]
