"""Instances made up for the index."""

from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming, Level, Record
from pacs.domain.query import fold


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
    **keys: str,
) -> Incoming:
    """One instance; study keys by name."""
    if "patient_name" in keys:
        keys["patient_name"] = fold(keys["patient_name"])
    return Incoming(
        Identity(study, series, sop),
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.1.2.1",
        "d" + data,
        data,
        size,
        location or f"incoming/{sop}-{data}",
        FrameTable(1, "ranges", 5, 6),
        bulk,
        Level(b'"study"', {"00100020": b'"x":1'}, dict(keys)),
        Level(b'"series"', {}, {"modality": modality, "series_number": series_number}),
        Level(b'"instance"', {}, {"instance_number": number}),
    )


def quiet(_study: str, _sequence: int, _record: Record) -> None:
    """A log that forgets."""
