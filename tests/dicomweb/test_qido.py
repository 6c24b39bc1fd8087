"""Searches over HTTP, on real files: what each query finds and what a record holds."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from pacs.bootstrap import Services
from pacs.config import Settings
from pacs.dicom.xml import to_json
from pacs.dicomweb.app import create_app
from tests.dicomweb.archive import CT, MR, SR, archive

JSON = "application/dicom+json"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with archive(tmp_path_factory.mktemp("qido")) as found:
        yield found


def ask(services: Any, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
            client.headers.pop("accept")
            return await client.request(method, "/dicomweb" + path, headers=headers)

    return asyncio.run(run())


def found(services: Any, path: str) -> list[dict[str, Any]]:
    got = ask(services, path)
    assert got.status_code == 200, got.text
    return got.json()


def uids(records: list[dict[str, Any]], tag: str) -> str:
    return " ".join(one[tag]["Value"][0] for one in records)


STUDIES = [
    # PS3.4 C.2.2.2.1 single value matching
    ("PatientID=P_1", "1.1"),
    ("PatientID=p_1", "1.3"),
    ("00100020=PX1", "1.2"),
    ("PatientID=A%2CB", "1.5"),  # a comma is a character of an LO
    ("PatientID=%2550", ""),  # percent-decoded once (RFC 3986 2.4)
    ("StudyDescription=CHEST+1000", "1.2"),
    ("PatientSex=m", ""),  # CS is exact
    ("StudyDate=20210301", "1.4 1.3"),
    ("StudyTime=16", "1.2"),  # all moments of the hour
    ("StudyTime=160000", "1.2"),
    ("StudyTime=080000.5", "1.3"),
    ("PatientBirthDate=19600229", "1.1"),
    ("IssuerOfPatientID=HOSP", "1.1"),
    ("NumberOfStudyRelatedSeries=2", "1.1"),
    ("NumberOfStudyRelatedInstances=03", "1.1"),
    # C.2.2.2.2 list of UIDs, by comma and backslash; lists of other values that cannot hold the mark
    ("StudyInstanceUID=1.1,1.3", "1.3 1.1"),
    ("StudyInstanceUID=1.1%5C1.3%5C1.9", "1.3 1.1"),
    ("0020000d=1.2", "1.2"),
    ("PatientID=P_1%5CQ", "1.4 1.1"),
    ("PatientSex=M,F", "1.4 1.2 1.1"),
    # C.2.2.2.3 universal matching
    ("PatientID=", "1.4 1.3 1.2 1.1 1.5"),
    ("PatientName=*&ModalitiesInStudy=", "1.4 1.3 1.2 1.1 1.5"),
    # C.2.2.2.4 wild cards; case matters but in names; SQL's own mean nothing
    ("PatientID=P*", "1.2 1.1"),
    ("PatientID=P_*", "1.1"),
    ("PatientID=P%3F1", "1.2 1.1"),
    ("PatientID=%25", ""),
    ("StudyDescription=*100%25*", "1.1"),
    ("StudyDescription=*100*", "1.2 1.1"),
    ("StudyDescription=chest*", ""),
    ("PatientName=smith*", "1.3 1.2"),
    ("PatientName=*MITH^jo*", "1.3 1.2"),
    ("PatientName=sm%3Fth^joan", "1.2"),
    # names: case, accents, component groups (PS3.5 6.2.1, PS3.18 8.3.4.2)
    ("PatientName=SMITH^JOAN", "1.2"),
    ("PatientName=Smith^Joan^^^", "1.2"),
    ("PatientName=M%C3%BCller^J%C3%B6rg", "1.1"),
    ("PatientName=muller^jorg", "1.1"),
    ("PatientName=lukasz*", "1.4"),
    ("PatientName=%E5%B1%B1%E7%94%B0^%E5%A4%AA%E9%83%8E", "1.1"),
    ("PatientName=%E5%B1%B1*", "1.1"),
    ("PatientName=*%E5%A4%AA*", "1.1"),
    ("PatientName=jo", ""),
    ("PatientName=jo&fuzzymatching=true", "1.3 1.2 1.1"),
    ("PatientName=john+smi&fuzzymatching=true", "1.3"),
    ("PatientName=mith&fuzzymatching=true", ""),
    ("PatientName=%E5%A4%AA&fuzzymatching=true", "1.1"),
    ("ReferringPhysicianName=greg&fuzzymatching=true", "1.1"),
    # C.2.2.2.5 ranges
    ("StudyDate=20200101-20200615", "1.2 1.1"),
    ("StudyDate=20200616-", "1.4 1.3"),
    ("StudyDate=-20200101", "1.1"),
    ("StudyTime=0800-103000", "1.3 1.1"),
    ("StudyTime=-0800", "1.3"),
    ("StudyTime=2359-", "1.4"),
    # C.2.2.2.5.2 combined: from the first moment to the last
    ("StudyDate=20200101-20210301&StudyTime=1100-0900", "1.3 1.2"),
    ("StudyDate=20200101-20210301&StudyTime=1030-", "1.4 1.3 1.2 1.1"),
    ("StudyDate=-20210301&StudyTime=-0759", "1.2 1.1"),
    ("StudyDate=20200101-20210301&StudyTime=16", "1.2"),
    # C.2.2.2.6 sequences: the same item
    ("RequestAttributesSequence.ScheduledProcedureStepID=S2", "1.1"),
    ("00400275.00400009=S1&00400275.00401001=R1", "1.1"),
    ("00400275.00400009=S1&RequestAttributesSequence.RequestedProcedureID=R2", ""),
    ("00400275.00400009=S*", "1.1"),
    # C.2.2.2.7 empty values
    ("PatientName=%22%22&emptyvaluematching=true", "1.5"),
    ("AccessionNumber=%22%22&emptyvaluematching=true", "1.5"),
    ("PatientSex=%22%22&emptyvaluematching=true", "1.3 1.5"),
    ("00400275.00400009=%22%22&emptyvaluematching=true", "1.4 1.3 1.2 1.1 1.5"),
    ("AccessionNumber=&emptyvaluematching=true", "1.4 1.3 1.2 1.1 1.5"),
    # C.2.2.2.8 multiple values
    ("ModalitiesInStudy=CT%5CMR", "1.4 1.3 1.1 1.5"),
    ("ModalitiesInStudy=CT%5CMR&multiplevaluematching=true", "1.1"),
    ("ModalitiesInStudy=CT%5CSR&multiplevaluematching=true", ""),
    # what the index gathers
    ("ModalitiesInStudy=SR", "1.2"),
    ("ModalitiesInStudy=C*", "1.4 1.3 1.1 1.5"),
    (f"SOPClassesInStudy={MR}", "1.1"),
    (f"SOPClassesInStudy={MR},{SR}", "1.2 1.1"),
    # keys below the level: some child has them all
    ("Modality=MR", "1.1"),
    ("SeriesInstanceUID=1.3.1", "1.3"),
    ("SOPInstanceUID=1.1.2.1", "1.1"),
    ("Modality=MR&BodyPartExamined=CHEST", ""),
    ("SeriesNumber=2&InstanceNumber=1", "1.1"),
    # 8.3.4.4 paging
    ("limit=2", "1.4 1.3"),
    ("limit=2&offset=3", "1.1 1.5"),
    ("offset=99", ""),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), STUDIES)
def test_studies(services: Services, query: str, expected: str) -> None:
    assert uids(found(services, f"/studies?{query}"), "0020000D") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/studies/1.1/series", "1.1.1 1.1.2"),
        ("/studies/1.9/series", ""),
        ("/series?PatientID=P_1", "1.1.1 1.1.2"),
        ("/series?Modality=CT", "1.4.1 1.3.1 1.1.1 1.5.1"),
        ("/series?Modality=CT,MR&StudyDate=20200101-20201231&limit=9", "1.1.1 1.1.2"),
        ("/series?SeriesNumber=1.0&StudyInstanceUID=1.2", "1.2.1"),
        ("/series?0020000E=1.1.2,1.3.1", "1.3.1 1.1.2"),
        ("/series?SeriesDescription=axial_*", "1.1.2"),
        ("/series?PerformedProcedureStepStartDate=20200101&PerformedProcedureStepStartTime=1031", "1.1.1"),
        ("/series?ModalitiesInStudy=MR", "1.1.1 1.1.2"),
        ("/series?SOPInstanceUID=1.1.2.1", "1.1.2"),
        ("/studies/1.1/series?Modality=MR&StudyInstanceUID=1.1", "1.1.2"),
    ],
)
def test_series(services: Services, path: str, expected: str) -> None:
    """Relational queries too (10.6.1.1)."""
    assert uids(found(services, path), "0020000E") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/studies/1.1/series/1.1.1/instances", "1.1.1.1 1.1.1.2"),
        ("/studies/1.1/instances", "1.1.1.1 1.1.1.2 1.1.2.1"),
        ("/instances?StudyDate=20200101", "1.1.1.1 1.1.1.2 1.1.2.1"),
        ("/instances?InstanceNumber=02", "1.1.1.2"),
        ("/instances?00080018=1.2.1.1", "1.2.1.1"),
        (f"/studies/1.1/instances?SOPClassUID={CT}&Modality=CT&SeriesInstanceUID=1.1.1,1.1.2", "1.1.1.1 1.1.1.2"),
        ("/studies/1.1/series/1.1.1/instances?includefield=00080018&limit=1&offset=1", "1.1.1.2"),
        ("/studies/1.1/series/1.1.1/instances?SeriesInstanceUID=1.1.1", "1.1.1.1 1.1.1.2"),
        ("/studies/1.2/series/1.1.1/instances", ""),
    ],
)
def test_instances(services: Services, path: str, expected: str) -> None:
    assert uids(found(services, path), "00080018") == expected


BAD = [
    ("Nonsense=1", "Nonsense"),
    ("PatientNam=1", "did you mean PatientName"),
    ("limi=1", "did you mean limit"),
    ("99990001=1", "99990001"),
    ("PatientAge=010Y", "PatientAge"),
    ("RequestAttributesSequence=1", "RequestAttributesSequence"),
    ("PatientName.PatientID=1", "PatientName.PatientID"),
    ("00091001=x", "00091001"),
    ("PatientID=A&00100020=A", "PatientID"),
    ("PatientID=%22%22", "emptyvaluematching"),
    ("PatientID=%FF", "UTF-8"),
    ("PatientID=%00", "NUL"),
    ("PatientName=" + "+".join(f"w{n}" for n in range(40)) + "&fuzzymatching=true", "PatientName"),
    ("ModalitiesInStudy=" + ",".join(f"M{n}" for n in range(40)) + "&multiplevaluematching=true", "ModalitiesInStudy"),
    ("StudyTime=12-11", "StudyTime"),
    ("StudyDate=20200101&StudyTime=12-11", "StudyTime"),
    ("limit=-1", "limit"),
    ("limit=", "limit"),
    ("limit=x", "limit"),
    ("limit=1&limit=2", "limit"),
    ("offset=-1", "offset"),
    ("offset=99999999999999999", "offset"),
    ("fuzzymatching=maybe", "fuzzymatching"),
    ("emptyvaluematching=2", "emptyvaluematching"),
    ("includefield=Nope", "Nope"),
    ("includefield=PatientNam", "PatientName"),
    ("charset=latin1", "charset"),
    ("StudyDate=2024", "2024"),
    ("StudyDate=20240230", "20240230"),
    ("StudyDate=20240201-20240101", "StudyDate"),
    ("StudyDate=-", "StudyDate"),
    ("StudyTime=2500", "2500"),
    ("StudyInstanceUID=x", "StudyInstanceUID"),
    ("StudyInstanceUID=1.2.*", "StudyInstanceUID"),
    ("SeriesNumber=one", "SeriesNumber"),
    ("SeriesNumber=1.5", "SeriesNumber"),
    ("SeriesNumber=1e999999", "SeriesNumber"),
    ("StudyInstanceUID=" + ",".join(["1.2"] * 1001), "1000"),
    ("PriorRecordKey=%21", "PriorRecordKey"),
    ("PriorRecordKey=W10%3D", "PriorRecordKey"),
    ("RecordKey=1", "RecordKey"),
]


@pytest.mark.parametrize(("query", "named"), BAD)
def test_bad_queries_are_400_and_name_the_key(services: Services, query: str, named: str) -> None:
    got = ask(services, f"/studies?{query}")
    assert (got.status_code, got.headers["content-type"]) == (400, "application/json"), got.text
    assert named in got.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/x/series", 400),
        ("/studies/1.1/series/1..2/instances", 400),
        ("/studies/1.1/series?StudyInstanceUID=1.3", 400),
        ("/studies/1.1/series/1.1.1/instances?0020000E=1.1.2", 400),
    ],
)
def test_uids_of_the_path(services: Services, path: str, status: int) -> None:
    assert ask(services, path).status_code == status


def test_a_study_record_has_what_the_table_says(services: Services) -> None:
    """Table 10.6.3-3; members ascending (F.2.2); answers are UTF-8."""
    got = ask(services, "/studies?StudyInstanceUID=1.1", **{"x-forwarded-host": "pacs.example", "x-forwarded-proto": "https"})
    [record] = got.json()
    assert list(record) == sorted(record)
    assert set(record) == {
        "00080005", "00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00080201", "00081030", "00081190",
        "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208",
    }  # fmt: skip
    assert record["00080061"]["Value"] == ["CT", "MR"]
    assert record["00080201"]["Value"] == ["+0100"]
    assert record["00081190"] == {"vr": "UR", "Value": ["https://pacs.example/dicomweb/studies/1.1"]}
    names = {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    assert record["00100010"]["Value"][0] == names
    assert (record["00201206"]["Value"], record["00201208"]["Value"]) == ([2], [3])
    [empty] = found(services, "/studies?StudyInstanceUID=1.5")
    assert {tag for tag, value in empty.items() if "Value" not in value} >= {"00080020", "00080030", "00080050", "00100010"}


def test_series_and_instance_records(services: Services) -> None:
    """Tables 10.6.3-4 and 10.6.3-5; what the path does not fix is answered too (10.6.3.3.2, 10.6.3.3.3)."""
    series = found(services, "/studies/1.1/series")[0]
    assert set(series) == {
        "00080005", "00080056", "00080060", "00080201", "0008103E", "0020000D", "0020000E", "00200011", "00201209", "00400244",
        "00400245", "00400275",
    }  # fmt: skip
    assert [item["00401001"]["Value"] for item in series["00400275"]["Value"]] == [["R1"], ["R2"]]
    assert set(found(services, "/series?SeriesInstanceUID=1.1.1")[0]) == set(series) | {
        "00080020", "00080030", "00080050", "00080061", "00080090", "00081030", "00100010", "00100020", "00100030", "00100040",
        "00200010", "00201206", "00201208",
    }  # fmt: skip
    instance = found(services, "/studies/1.1/series/1.1.1/instances")[0]
    assert set(instance) == {
        "00080005", "00080016", "00080018", "00080056", "00080201", "00083002", "0020000D", "0020000E", "00200013", "00280010",
        "00280011", "00280100",
    }  # fmt: skip
    assert "00080060" in found(services, "/studies/1.1/instances")[0]
    everything = ask(services, "/instances?SOPInstanceUID=1.1.1.1")
    assert everything.text.count('"00080201"') == 1 and "00201208" in everything.json()[0]


@pytest.mark.parametrize(
    ("path", "tags", "not_tags"),
    [
        ("/studies?includefield=PatientComments", "00104000", "00080080"),
        ("/studies?includefield=00104000,IssuerOfPatientID", "00104000 00100021", ""),
        ("/studies?includefield=00104000&includefield=00100021", "00104000 00100021", ""),
        ("/studies?includefield=all", "00104000 00100021 00080062", "00081010"),
        ("/studies?includefield=Modality", "", "00080060"),  # lower levels are not answered
        ("/studies?includefield=SOPClassesInStudy", "00080062", ""),
        ("/studies?IssuerOfPatientID=", "00100021", ""),  # keys are answered
        ("/studies?PatientComments=", "00104000", ""),
        ("/studies/1.1/series?includefield=PatientID,ModalitiesInStudy", "00100020 00080061", "00100010"),
        ("/studies/1.1/series?includefield=StationName", "00081010", "00104000"),
        ("/studies/1.1/series?includefield=all", "00081010 00180015", "00104000 00100020"),
        ("/series?SeriesInstanceUID=1.1.1&includefield=all", "00081010 00104000", ""),
        ("/studies/1.1/series?includefield=RequestAttributesSequence.ScheduledProcedureStepID", "00400275", ""),
        ("/studies/1.1/instances?includefield=ContentDate,PatientName", "00080023 00100010", "00104000"),
        ("/studies/1.1/series/1.1.1/instances?includefield=00201209", "00201209", "00201208"),
    ],
)
def test_includefield(services: Services, path: str, tags: str, not_tags: str) -> None:
    """8.3.4.3 and 10.6.3.3."""
    record = next(r for r in found(services, path) if r["0020000D"]["Value"] == ["1.1"])
    assert set(tags.split()) <= set(record) and not set(not_tags.split()) & set(record)


def test_more_results_are_told(services: Services, tmp_path_factory: pytest.TempPathFactory) -> None:
    """8.3.4.4."""
    warned = ask(services, "/studies?limit=2&offset=1").headers["warning"]
    assert warned == '299 static-dicomweb "There are 2 additional results that can be requested"'
    assert "warning" not in ask(services, "/studies?limit=5").headers
    with archive(tmp_path_factory.mktemp("most"), server={"maxResults": 3}) as few:
        for query in ("", "?limit=4"):
            got = ask(few, f"/studies{query}")
            assert (len(got.json()), "are 2 additional" in got.headers["warning"]) == (3, True)


PAGED = ["/studies", "/series", "/instances", "/studies/1.1/series", "/studies/1.1/series/1.1.1/instances"]


@pytest.mark.parametrize("path", PAGED)
def test_pages_by_record_key(services: Services, path: str) -> None:
    """PS3.4 C.6.4.5.3: all records, each once, in the order of a single answer."""
    whole = found(services, f"{path}?includefield=RecordKey")
    pages: list[dict[str, Any]] = []
    after = ""
    while page := found(services, f"{path}?includefield=RecordKey&limit=2{after}"):
        pages += page
        key = page[-1]["0008041B"]
        assert key["vr"] == "OB"
        after = f"&PriorRecordKey={base64.urlsafe_b64encode(base64.b64decode(key['InlineBinary'])).decode()}"
    assert pages == whole and len(whole) >= 2
    first = found(services, f"{path}?RecordKey=&MaximumNumberOfRecords=1")
    assert first == whole[:1]


def test_a_record_key_is_of_its_level(services: Services) -> None:
    [first, *_] = found(services, "/studies?RecordKey=")
    got = ask(services, f"/series?PriorRecordKey={first['0008041B']['InlineBinary'].rstrip('=')}")
    assert got.status_code == 400 and "PriorRecordKey" in got.json()["detail"]


def test_unmatched_keys_can_be_a_warning(tmp_path_factory: pytest.TempPathFactory) -> None:
    with archive(tmp_path_factory.mktemp("lenient"), server={"unmatchedKeys": "warn"}) as lenient:
        got = ask(lenient, "/studies?PatientAge=010Y&PatientID=Q&limit=1")
        assert uids(got.json(), "0020000D") == "1.4"
        assert got.headers["warning"].startswith('299 static-dicomweb "The key PatientAge is not searchable')
        assert ask(lenient, "/studies?Nonsense=1").status_code == 400


def test_headers_etag_and_methods(services: Services) -> None:
    got = ask(services, "/studies?PatientID=Q")
    assert got.headers["content-type"] == JSON and "Accept" in got.headers["vary"]
    same = ask(services, "/studies?PatientID=Q", **{"if-none-match": got.headers["etag"]})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", got.headers["etag"])
    assert ask(services, "/studies?PatientID=none").content == b"[]"
    head = ask(services, "/studies", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert ask(services, "/studies", accept="text/html").status_code == 406
    assert ask(services, "/studies", accept="application/json").headers["content-type"] == JSON
    for path, allowed in (("/series", "GET, HEAD, OPTIONS"), ("/studies", "GET, HEAD, POST, OPTIONS")):
        refused = ask(services, path, "DELETE")
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert ask(services, "/studies", "POST").status_code == 415


TAGS = [
    {"tag": "StationName", "level": "series"},
    {"tag": "0018,0050", "level": "instance"},
    {"tag": "00431028", "creator": "GEMS_PARM_01", "vr": "LO", "level": "series"},
]


def test_extra_tags_are_indexed_for_what_is_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Told by a warning until they are; private ones come with their creator (10.6.3.3.2)."""
    folder = tmp_path_factory.mktemp("tags")
    with archive(folder) as plain:
        assert ask(plain, "/series?StationName=SCANNER").status_code == 400
    with archive(folder, {"searchableTags": TAGS}) as tagged:
        early = ask(tagged, "/series?StationName=SCANNER")
        assert early.json() == [] and "index of StationName is not complete" in early.headers["warning"]
        while tagged.tags.step():
            pass
        late = ask(tagged, "/series?StationName=SC*&includefield=00431028")
        assert uids(late.json(), "0020000E") == "1.1.1" and "warning" not in late.headers
        assert late.json()[0]["00430010"]["Value"] == ["GEMS_PARM_01"]
        assert late.json()[0]["00431028"]["Value"] == ["Unique"]
        assert uids(found(tagged, "/studies?00431028=Unique"), "0020000D") == "1.1"
        assert uids(found(tagged, "/instances?SliceThickness=01.5"), "00080018") == "1.1.1.1 1.1.1.2"
        assert found(tagged, "/instances?SliceThickness=01.5")[0]["00180050"]["Value"] == [1.5]
        assert uids(found(tagged, "/series?00081010=%22%22&emptyvaluematching=true&Modality=MR"), "0020000E") == "1.1.2"


def test_extra_tags_of_new_instances(tmp_path_factory: pytest.TempPathFactory) -> None:
    with archive(tmp_path_factory.mktemp("new"), {"searchableTags": TAGS}) as tagged:
        got = ask(tagged, "/series?StationName=SCANNER&00431028=U*")
        assert uids(got.json(), "0020000E") == "1.1.1" and "warning" not in got.headers


XML = ['multipart/related; type="application/dicom+xml"', "multipart/related; type=application/dicom+xml"]


@pytest.mark.parametrize("accept", XML)
def test_xml(services: Services, accept: str) -> None:
    """A part a record (10.6.4, 8.7.3); the same attributes as in JSON (PS3.19 A.1)."""
    got = ask(services, "/studies?PatientID=P_1%5CQ", accept=accept)
    kind, _, mark = got.headers["content-type"].partition("; boundary=")
    assert (got.status_code, kind) == (200, 'multipart/related; type="application/dicom+xml"')
    parts = got.content.split(f"--{mark}".encode())
    assert (parts[0], parts[-1], len(parts)) == (b"", b"--\r\n", 4)
    heads, bodies = zip(*(part.split(b"\r\n\r\n", 1) for part in parts[1:-1]), strict=True)
    assert set(heads) == {b"\r\nContent-Type: application/dicom+xml"}
    assert [to_json(body.rstrip()) for body in bodies] == found(services, "/studies?PatientID=P_1%5CQ")
    none = ask(services, "/studies?PatientID=none", accept=accept)
    assert none.content == f"--{none.headers['content-type'].partition('; boundary=')[2]}--\r\n".encode()


def test_the_command_indexes_tags(tmp_path: Path) -> None:
    """``mkdicomweb index-tags``; a wrong tag is told with its place."""
    with archive(tmp_path):
        pass
    config = tmp_path / "config.json5"
    command = [sys.executable, "-m", "pacs.cli.mkdicomweb"]
    config.write_text(json.dumps({"staticWadoConfig": {"rootDir": str(tmp_path / "root"), "searchableTags": TAGS}}))
    done = subprocess.run([*command, "index-tags", "-c", str(config)], capture_output=True, text=True, check=True)
    assert done.stdout == "3 tags are indexed, 13 rows were read for them\n"
    again = subprocess.run([*command, "index-tags", "-c", str(config)], capture_output=True, text=True, check=True)
    assert "0 rows" in again.stdout
    listed = subprocess.run(
        [*command, "list", "-c", str(config), "--json", "StationName=SC*"], capture_output=True, text=True, check=True
    )
    assert uids(json.loads(listed.stdout), "0020000D") == "1.1"
    config.write_text(json.dumps({"staticWadoConfig": {"searchableTags": [{"tag": "PixelData"}]}}))
    wrong = subprocess.run([*command, "index-tags", "-c", str(config)], capture_output=True, text=True)
    assert wrong.returncode == 2 and "searchableTags.0" in wrong.stderr and "cannot be searched" in wrong.stderr


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ({"tag": "Nope"}, "neither a keyword"),
        ({"tag": "00091001"}, "creator"),
        ({"tag": "00090010", "creator": "X", "vr": "LO"}, "no private attribute"),
        ({"tag": "00431099", "creator": "SOMEBODY"}, "give its vr"),
        ({"tag": "PatientAge", "creator": "X"}, "not private"),
        ({"tag": "PatientID"}, "already"),
        ({"tag": "ProcedureCodeSequence"}, "cannot be searched"),
        ({"tag": "PatientID.PatientName"}, "neither a keyword"),
        ({"tag": "PatientAge", "level": "patient"}, "study"),
        ({"tag": "StationName"}, "twice"),
    ],
)
def test_bad_tags_are_refused(tag: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate({"staticWadoConfig": {"searchableTags": [tag, {"tag": "0008,1010", "level": "series"}]}})
