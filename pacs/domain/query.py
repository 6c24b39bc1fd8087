"""Queries as typed conditions (PS3.4 C.2.2.2, PS3.18 8.3.4 and 10.6): the same for QIDO and C-FIND."""

import unicodedata
from dataclasses import dataclass
from enum import IntEnum


class QueryLevel(IntEnum):
    """The level whose records are wanted."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """A searchable attribute and the search column that holds it."""

    keyword: str
    tag: str
    vr: str
    level: QueryLevel
    column: str


_ROWS = """
StudyInstanceUID                  0020000D UI 1 uid
StudyDate                         00080020 DA 1 study_date
StudyTime                         00080030 TM 1 study_time
AccessionNumber                   00080050 SH 1 accession_number
ModalitiesInStudy                 00080061 CS 1 modalities
ReferringPhysicianName            00080090 PN 1 referring_physician
PatientName                       00100010 PN 1 patient_name
PatientID                         00100020 LO 1 patient_id
PatientBirthDate                  00100030 DA 1 patient_birth_date
PatientSex                        00100040 CS 1 patient_sex
StudyID                           00200010 SH 1 study_id
StudyDescription                  00081030 LO 1 study_description
SeriesInstanceUID                 0020000E UI 2 uid
Modality                          00080060 CS 2 modality
SeriesNumber                      00200011 IS 2 series_number
SeriesDescription                 0008103E LO 2 series_description
BodyPartExamined                  00180015 CS 2 body_part
SeriesDate                        00080021 DA 2 series_date
PerformedProcedureStepStartDate   00400244 DA 2 procedure_date
PerformedProcedureStepStartTime   00400245 TM 2 procedure_time
SOPInstanceUID                    00080018 UI 3 uid
SOPClassUID                       00080016 UI 3 sop_class
InstanceNumber                    00200013 IS 3 instance_number
"""

ATTRIBUTES: tuple[Attribute, ...] = tuple(
    Attribute(keyword, tag, vr, QueryLevel(int(level)), column)
    for keyword, tag, vr, level, column in (line.split() for line in _ROWS.strip().splitlines())
)
BY_NAME: dict[str, Attribute] = {a.keyword: a for a in ATTRIBUTES} | {a.tag: a for a in ATTRIBUTES}


@dataclass(frozen=True, slots=True)
class Condition:
    """One matching key.

    ``kind``: ``equals`` (values[0]), ``list`` (any of values), ``wildcard`` (values[0] with * and ?),
    ``range`` (values = (low or "", high or ""), inclusive), ``words`` (PN fuzzy: each word is a prefix of a word).
    PN values are folded (:func:`fold`) already.
    """

    attribute: Attribute
    kind: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; ``study``/``series`` restrict to a parent; ``limit`` rows from ``offset``."""

    level: QueryLevel
    conditions: tuple[Condition, ...] = ()
    study: str | None = None
    series: str | None = None
    limit: int = 5000
    offset: int = 0
    include: frozenset[str] = frozenset()
    include_all: bool = False


def fold(name: str) -> str:
    """A person name for comparing: case and accents folded, spaces for carets, groups kept apart by ``=``."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()
