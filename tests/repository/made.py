"""Instances made up for the index."""

from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming, Level, Record
from pacs.domain.values import fold, name_values


def incoming(
    study: str = "1.1",
    series: str = "1.1.1",
    sop: str = "1.1.1.1",
    data: str = "a",
    *,
    number: int | None = 1,
    series_number: int | None = 1,
    modality: str = "CT",
    size: int = 10,
    location: str = "",
    bulk: tuple[BulkValue, ...] = (),
    sop_class: str = "1.2.840.10008.5.1.4.1.1.2",
    series_values: dict[str, tuple[tuple[int, str], ...]] | None = None,
    **keys: str,
) -> Incoming:
    """One instance; study keys by name."""
    words = {}
    for name, tag in (("patient_name", "00100010"), ("referring_physician", "00080090")):
        if name in keys:
            keys[name] = fold(keys[name])
            words |= name_values(tag, keys[name])
    return Incoming(
        Identity(study, series, sop),
        sop_class,
        "1.2.840.10008.1.2.1",
        "d" + data,
        data,
        size,
        location or f"incoming/{sop}-{data}",
        FrameTable(1, "ranges", 5, 6),
        bulk,
        Level(b'"study"', {"00104000": b'"x":1'}, dict(keys), words),
        Level(b'"series"', {}, {"modality": modality, "series_number": series_number}, series_values or {}),
        Level(b'"instance"', {}, {"instance_number": number}),
    )


def quiet(_study: str, _sequence: int, _record: Record) -> None:
    """A log that forgets."""
