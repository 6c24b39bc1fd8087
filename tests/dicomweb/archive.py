"""A small archive for searches: real files through the real store."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite

from pacs.bootstrap import Services, assemble
from pacs.config import Settings

CT, MR, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.88.11"


def encode(**values: Any) -> bytes:
    """A file of the attributes given by keyword; ``private``: (group, creator, {element: (vr, value)})."""
    private = values.pop("private", None)
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in values.items():
        setattr(data, keyword, value)
    if private is not None:
        group, creator, elements = private
        block = data.private_block(group, creator, create=True)
        for element, (vr, value) in elements.items():
            block.add_new(element, vr, value)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = "1.2.840.10008.1.2.1", "2.25.2"
    data.file_meta = meta
    out = io.BytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def item(**values: Any) -> Dataset:
    """A sequence item."""
    one = Dataset()
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return one


def _study(number: int, **values: Any) -> dict[str, Any]:
    return {"StudyInstanceUID": f"1.{number}", "StudyID": str(number), "AccessionNumber": f"A{number}"} | values


def _instance(study: dict[str, Any], series: int, number: int, **values: Any) -> bytes:
    uid = study["StudyInstanceUID"]
    own = {
        "SOPClassUID": CT, "Modality": "CT", "SeriesInstanceUID": f"{uid}.{series}", "SeriesNumber": str(series),
        "SOPInstanceUID": f"{uid}.{series}.{number}", "InstanceNumber": str(number),
    }  # fmt: skip
    return encode(**(study | own | values))


def files() -> Iterator[bytes]:
    """Study 1 has CT (2 instances) and MR, study 2 SR, studies 3 to 5 one CT each."""
    one = _study(
        1, PatientName="Müller^Jörg=山田^太郎=やまだ^たろう", PatientID="P_1", PatientBirthDate="19600229",
        PatientSex="M", StudyDate="20200101", StudyTime="103000", StudyDescription="CHEST 100%",
        ReferringPhysicianName="House^Gregory", TimezoneOffsetFromUTC="+0100", IssuerOfPatientID="HOSP", PatientComments="kept",
    )  # fmt: skip
    requests = [
        item(ScheduledProcedureStepID="S1", RequestedProcedureID="R1"),
        item(ScheduledProcedureStepID="S2", RequestedProcedureID="R2"),
    ]
    private = (0x0043, "GEMS_PARM_01", {0x28: ("LO", "Unique")})
    for number in (2, 1):
        yield _instance(one, 1, number, SeriesDescription="axial", BodyPartExamined="CHEST", RequestAttributesSequence=requests,
                        PerformedProcedureStepStartDate="20200101", PerformedProcedureStepStartTime="1031",
                        Rows=64, Columns=32, BitsAllocated=16, StationName="SCANNER", SliceThickness="1.50",
                        ContentDate="20200101", private=private)  # fmt: skip
    yield _instance(one, 2, 1, Modality="MR", SOPClassUID=MR, SeriesDescription="axial_t1", PatientComments="kept")
    two = _study(2, PatientName="Smith^Joan", PatientID="PX1", StudyDate="20200615", StudyTime="1600", PatientSex="F",
                 StudyDescription="CHEST 1000", ReferringPhysicianName="")  # fmt: skip
    yield _instance(two, 1, 1, Modality="SR", SOPClassUID=SR, SeriesNumber="01")
    three = _study(3, PatientName="SMITH^John^A", PatientID="p_1", StudyDate="20210301", StudyTime="080000.5",
                   StudyDescription="head")  # fmt: skip
    yield _instance(three, 1, 1)
    four = _study(4, PatientName="Łukasz^Ola", PatientID="Q", StudyDate="20210301", StudyTime="235959", PatientSex="M")
    yield _instance(four, 1, 1, SeriesNumber="", InstanceNumber="")
    yield _instance(_study(5, PatientName="", PatientID="A,B", AccessionNumber=""), 1, 1)


@contextmanager
def archive(folder: Path, store: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> Iterator[Services]:
    """The services over a store that holds :func:`files`."""
    settings = Settings.model_validate(
        {"staticWadoConfig": {"rootDir": str(folder / "root"), **(store or {})}, "dicomWebServerConfig": server or {}}
    )
    services = assemble(settings)
    known = services.repository.counts()[2]
    for data in [] if known else files():
        ready = services.store.prepare([data])
        assert not isinstance(ready[0], str), ready
        services.store.commit([one for one in ready if not isinstance(one, str)], "test")
    try:
        yield services
    finally:
        services.close()
