"""The attributes of searches: one table says what is parsed, matched, kept in columns and answered.

PS3.18 Tables 10.6.1-5 (matching), 10.6.3-3, 10.6.3-4 and 10.6.3-5 (answers); PS3.4 Tables C.6-1 to C.6-5 (optional keys).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class QueryLevel(IntEnum):
    """The level whose records are wanted."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


VALUES = "*"
"""The column of an attribute whose values are rows of a table of their own."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute a search may name.

    ``tag``: eight hex digits, or several with dots for what lies in a sequence.  ``column``: where its values are searched,
    :data:`VALUES` for the table of values, "" when they are not.  ``answer``: ``R`` always (empty when unknown), ``C`` when
    known, ``A`` when asked for, ``I`` by the index itself, ``L`` by the index when asked for, ``K`` only a key.
    ``multiple``: has several values.  ``creator``: the private creator of a private attribute.
    """

    keyword: str
    tag: str
    vr: str
    level: QueryLevel
    column: str = ""
    answer: str = "A"
    multiple: bool = False
    creator: str = ""

    @property
    def sequence(self) -> str:
        """The tag of the outermost sequence, "" when the attribute lies in none."""
        return self.tag.partition(".")[0] if "." in self.tag else ""


_TABLE = """
StudyInstanceUID                   0020000D UI 1 uid                 R
StudyDate                          00080020 DA 1 study_date          R
StudyTime                          00080030 TM 1 study_time          R
AccessionNumber                    00080050 SH 1 accession_number    R
InstanceAvailability               00080056 CS 1 -                   I
ModalitiesInStudy                  00080061 CS 1 modalities          I +
SOPClassesInStudy                  00080062 UI 1 sop_classes         L +
ReferringPhysicianName             00080090 PN 1 referring_physician R
TimezoneOffsetFromUTC              00080201 SH 1 -                   C
StudyDescription                   00081030 LO 1 study_description   C
RetrieveURL                        00081190 UR 1 -                   I
PatientName                        00100010 PN 1 patient_name        R
PatientID                          00100020 LO 1 patient_id          R
IssuerOfPatientID                  00100021 LO 1 issuer              A
PatientBirthDate                   00100030 DA 1 patient_birth_date  R
PatientSex                         00100040 CS 1 patient_sex         R
StudyID                            00200010 SH 1 study_id            R
NumberOfStudyRelatedSeries         00201206 IS 1 series_count        I
NumberOfStudyRelatedInstances      00201208 IS 1 instance_count      I
InstitutionName                    00080080 LO 1 -                   A
InstitutionAddress                 00080081 ST 1 -                   A
ProcedureCodeSequence              00081032 SQ 1 -                   A
PhysiciansOfRecord                 00081048 PN 1 -                   A +
NameOfPhysiciansReadingStudy       00081060 PN 1 -                   A +
AdmittingDiagnosesDescription      00081080 LO 1 -                   A +
ReferencedStudySequence            00081110 SQ 1 -                   A
PatientBirthTime                   00100032 TM 1 -                   A
OtherPatientIDs                    00101000 LO 1 -                   A +
OtherPatientIDsSequence            00101002 SQ 1 -                   A
PatientAge                         00101010 AS 1 -                   A
PatientSize                        00101020 DS 1 -                   A
PatientWeight                      00101030 DS 1 -                   A
PatientAddress                     00101040 LO 1 -                   A
EthnicGroup                        00102160 SH 1 -                   A
Occupation                         00102180 SH 1 -                   A
AdditionalPatientHistory           001021B0 LT 1 -                   A
PatientComments                    00104000 LT 1 -                   A
ClinicalTrialProtocolID            00120020 LO 1 -                   A
ClinicalTrialSubjectID             00120040 LO 1 -                   A
PatientIdentityRemoved             00120062 CS 1 -                   A
RequestingPhysician                00321032 PN 1 -                   A
RequestedProcedureDescription      00321060 LO 1 -                   A
AdmissionID                        00380010 LO 1 -                   A

SeriesInstanceUID                  0020000E UI 2 uid                 R
Modality                           00080060 CS 2 modality            R
SeriesNumber                       00200011 IS 2 series_number       R
SeriesDescription                  0008103E LO 2 series_description  C
TimezoneOffsetFromUTC              00080201 SH 2 -                   C
InstanceAvailability               00080056 CS 2 -                   I
RetrieveURL                        00081190 UR 2 -                   I
NumberOfSeriesRelatedInstances     00201209 IS 2 instance_count      I
PerformedProcedureStepStartDate    00400244 DA 2 procedure_date      C
PerformedProcedureStepStartTime    00400245 TM 2 procedure_time      C
RequestAttributesSequence          00400275 SQ 2 -                   C
RequestAttributesSequence.ScheduledProcedureStepID 00400275.00400009 SH 2 * K
RequestAttributesSequence.RequestedProcedureID     00400275.00401001 SH 2 * K
SeriesDate                         00080021 DA 2 series_date         A
SeriesTime                         00080031 TM 2 series_time         A
BodyPartExamined                   00180015 CS 2 body_part           A
PresentationIntentType             00080068 CS 2 -                   A
Manufacturer                       00080070 LO 2 -                   A
StationName                        00081010 SH 2 -                   A
SeriesDescriptionCodeSequence      0008103F SQ 2 -                   A
InstitutionalDepartmentName        00081040 LO 2 -                   A
PerformingPhysicianName            00081050 PN 2 -                   A +
OperatorsName                      00081070 PN 2 -                   A +
ManufacturerModelName              00081090 LO 2 -                   A
ReferencedPerformedProcedureStepSequence 00081111 SQ 2 -             A
AnatomicRegionSequence             00082218 SQ 2 -                   A
DeviceSerialNumber                 00181000 LO 2 -                   A
SoftwareVersions                   00181020 LO 2 -                   A +
ProtocolName                       00181030 LO 2 -                   A
PatientPosition                    00185100 CS 2 -                   A
FrameOfReferenceUID                00200052 UI 2 -                   A
Laterality                         00200060 CS 2 -                   A
PositionReferenceIndicator         00201040 LO 2 -                   A
PerformedProcedureStepID           00400253 SH 2 -                   A
PerformedProcedureStepDescription  00400254 LO 2 -                   A

SOPInstanceUID                     00080018 UI 3 uid                 R
SOPClassUID                        00080016 UI 3 sop_class           R
InstanceNumber                     00200013 IS 3 instance_number     R
TimezoneOffsetFromUTC              00080201 SH 3 -                   C
InstanceAvailability               00080056 CS 3 -                   I
RetrieveURL                        00081190 UR 3 -                   I
AvailableTransferSyntaxUID         00083002 UI 3 -                   I +
NumberOfFrames                     00280008 IS 3 -                   C
Rows                               00280010 US 3 -                   C
Columns                            00280011 US 3 -                   C
BitsAllocated                      00280100 US 3 -                   C
ImageType                          00080008 CS 3 -                   A +
InstanceCreationDate               00080012 DA 3 -                   A
InstanceCreationTime               00080013 TM 3 -                   A
AcquisitionDate                    00080022 DA 3 -                   A
ContentDate                        00080023 DA 3 -                   A
AcquisitionTime                    00080032 TM 3 -                   A
ContentTime                        00080033 TM 3 -                   A
SliceThickness                     00180050 DS 3 -                   A
AcquisitionNumber                  00200012 IS 3 -                   A
ImagePositionPatient               00200032 DS 3 -                   A +
ImageOrientationPatient            00200037 DS 3 -                   A +
SliceLocation                      00201041 DS 3 -                   A
SamplesPerPixel                    00280002 US 3 -                   A
PhotometricInterpretation          00280004 CS 3 -                   A
PixelSpacing                       00280030 DS 3 -                   A +
BitsStored                         00280101 US 3 -                   A
HighBit                            00280102 US 3 -                   A
PixelRepresentation                00280103 US 3 -                   A
WindowCenter                       00281050 DS 3 -                   A +
WindowWidth                        00281051 DS 3 -                   A +
ConceptNameCodeSequence            0040A043 SQ 3 -                   A
CompletionFlag                     0040A491 CS 3 -                   A
VerificationFlag                   0040A493 CS 3 -                   A
DocumentTitle                      00420010 ST 3 -                   A
"""


def _row(line: str) -> Attribute:
    keyword, tag, vr, level, column, answer, *multiple = line.split()
    return Attribute(keyword, tag, vr, QueryLevel(int(level)), column.strip("-"), answer, bool(multiple))


ATTRIBUTES: tuple[Attribute, ...] = tuple(_row(line) for line in _TABLE.splitlines() if line)


def _places() -> dict[str, dict[QueryLevel, str]]:
    found: dict[str, dict[QueryLevel, str]] = {}
    for one in ATTRIBUTES:
        found.setdefault(one.tag, {})[one.level] = one.answer
    return found


PLACES = _places()
"""Tag -> the levels that have it and how each answers it."""


class Catalogue:
    """The attributes known to searches: those of the table and ``extra`` ones of the configuration."""

    def __init__(self, extra: Iterable[Attribute] = ()) -> None:
        self.extra = tuple(extra)
        self.attributes = (*ATTRIBUTES, *self.extra)
        self._by_name: dict[str, Attribute] = {}
        for one in ATTRIBUTES:
            self._by_name.setdefault(one.keyword, one)
            self._by_name.setdefault(one.tag, one)
        for one in self.extra:  # over those of the table, which are not searchable where one of these is
            self._by_name[one.keyword] = self._by_name[one.tag] = one

    def find(self, name: str) -> Attribute | None:
        """By keyword or tag (upper case), paths with dots; None when it is not in the table."""
        return self._by_name.get(name)


STANDARD = Catalogue()
BY_NAME: dict[str, Attribute] = STANDARD._by_name
