"""The lines burnt into a rendered picture by ``annotation=patient,technique`` (PS3.18 8.3.5.1.1)."""

from collections.abc import Iterable

from pacs.dicom.reader import DicomFile

_PATIENT = (("", 0x00100010), ("ID ", 0x00100020), ("BORN ", 0x00100030), ("SEX ", 0x00100040))
_TECHNIQUE = (
    ("", 0x00080060), ("", 0x00080020), ("", 0x0008103E), ("KVP ", 0x00180060), ("MA ", 0x00181151),
    ("MAS ", 0x00181152), ("SLICE ", 0x00180050), ("TR ", 0x00180080), ("TE ", 0x00180081), ("", 0x00200062),
)  # fmt: skip


def notes_of(file: DicomFile, kinds: Iterable[str]) -> list[str]:
    """Lines of what the object says about its patient, its technique or both; empty values are left out."""
    lines = []
    for kind in kinds:
        for label, tag in _PATIENT if kind == "patient" else _TECHNIQUE:
            text = file.text(tag).replace("^", " ").replace("=", " ").strip()
            if text:
                lines.append(label + text[:64])
    return lines
