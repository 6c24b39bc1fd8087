"""The requests that Weasis, 3D Slicer and MONAI Label make, in their order and with their headers."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

from tests.viewer.cases import DATA
from tests.viewer.conftest import Archive

JSON = {"Accept": "application/dicom+json"}
WHOLE = {"Accept": 'multipart/related;type="application/dicom";transfer-syntax=*'}
WEASIS_STUDY = (
    "00080020,00080030,00080050,00080061,00080090,00081030,00100010,00100020,00100030,00100040,0020000D,00200010,00201206"
)
WEASIS_SERIES = "0008103E,00080060,0020000E,00200011,00081190"


def _json(url: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = requests.get(url, params=parameters, headers=JSON, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    found: list[dict[str, Any]] = answer.json()
    return found


def _first(item: dict[str, Any], tag: str) -> Any:
    return item[tag]["Value"][0]


def _parts(answer: requests.Response) -> Iterator[tuple[str, bytes]]:
    """(Content-Type, body) of each part."""
    assert answer.status_code == 200, answer.text[:300]
    mark = answer.headers["content-type"].partition("boundary=")[2].strip('"')
    assert mark, "Weasis and Slicer need the boundary in Content-Type"
    first, *parts, last = answer.content.split(f"--{mark}".encode())
    assert (first.strip(), last.strip()) == (b"", b"--")
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        yield head.decode().partition("Content-Type: ")[2], body.removesuffix(b"\r\n")


def _digests(folder: Path) -> list[str]:
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.dcm"))


@pytest.fixture(scope="module")
def mr(archive: Archive, server: str) -> tuple[str, str]:
    """The MR study's URL and the first of its series' UIDs."""
    study = f"{server}/studies/{archive.studies['mr']}"
    return study, _first(_json(f"{study}/series")[0], "0020000E")


@pytest.mark.parametrize("key", ["00100020", "0020000D", "00080050"])
def test_weasis_finds_the_study(key: str, archive: Archive, server: str) -> None:
    (whole,) = _json(f"{server}/studies", StudyInstanceUID=archive.studies["ecg"])
    found = _json(f"{server}/studies", **{key: _first(whole, key), "includefield": WEASIS_STUDY})
    assert archive.studies["ecg"] in [_first(one, "0020000D") for one in found]


def test_weasis_opens_a_series(mr: tuple[str, str], server: str) -> None:
    study, series = mr
    listed = _json(f"{study}/series", includefield=WEASIS_SERIES)
    assert series in [_first(one, "0020000E") for one in listed]
    (alone,) = _json(f"{server}/series", **{"0020000E": series})
    assert _first(alone, "0020000D") in study
    (counted,) = _json(f"{study}/series", SeriesInstanceUID=series, includefield="00201209")
    number = _first(counted, "00201209")
    middle = _json(f"{study}/series/{series}/instances", includefield="00080018", limit=1, offset=number // 2)
    (again,) = _json(f"{server}/instances", **{"00080018": _first(middle[0], "00080018")})
    assert _first(again, "0020000E") == series
    parts = list(_parts(requests.get(f"{study}/series/{series}", headers=WHOLE, timeout=30)))
    assert len(parts) == number
    assert all(kind.startswith("application/dicom; transfer-syntax=") for kind, _ in parts)


def test_weasis_gets_the_bytes_of_the_files(mr: tuple[str, str]) -> None:
    got = sorted(hashlib.sha256(body).hexdigest() for _, body in _parts(requests.get(mr[0], headers=WHOLE, timeout=30)))
    assert got == _digests(DATA / "studies" / "mr-siemens-4series")


def test_weasis_shows_thumbnails(mr: tuple[str, str]) -> None:
    study, series = mr
    instance = _first(_json(f"{study}/series/{series}/instances", limit=1)[0], "00080018")
    for resource in (f"/series/{series}/thumbnail", f"/series/{series}/instances/{instance}/rendered"):
        answer = requests.get(f"{study}{resource}?viewport=128%2C128", headers={"Accept": "image/jpeg"}, timeout=30)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content.startswith(b"\xff\xd8")


def test_weasis_keeps_asking_for_thumbnails(archive: Archive, server: str) -> None:
    """After one 404, 405 or 501 it stops for the whole session, so a report without pictures answers otherwise."""
    study = f"{server}/studies/{archive.studies['sr']}"
    series = _first(_json(f"{study}/series")[0], "0020000E")
    answer = requests.get(f"{study}/series/{series}/thumbnail?viewport=128,128", headers={"Accept": "image/jpeg"}, timeout=30)
    assert answer.status_code not in (404, 405, 501)


def test_slicer_imports_a_study(mr: tuple[str, str], archive: Archive) -> None:
    """importFromDICOMWeb: series, their metadata, then each series as one streamed multipart."""
    study, _ = mr
    got = []
    for series in _json(f"{study}/series"):
        place = f"{study}/series/{_first(series, '0020000E')}"
        described = _json(f"{place}/metadata")
        accept = {"Accept": 'multipart/related; type="application/dicom"'}
        parts = list(_parts(requests.get(place, headers=accept, timeout=30, stream=True)))
        read = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(body)) for _, body in parts]
        assert {one.SOPInstanceUID for one in read} == {_first(one, "00080018") for one in described}
        got += [one.SOPInstanceUID for one in read]
    assert len(got) == len(set(got)) == 8


def test_slicer_pages_through_all_studies(archive: Archive, server: str) -> None:
    """Offset by offset until a page is empty: each study once, in the order of the whole list."""
    whole = [_first(one, "0020000D") for one in _json(f"{server}/studies", includefield="StudyDescription", limit=1000)]
    paged: list[str] = []
    while page := _json(f"{server}/studies", includefield="StudyDescription", limit=7, offset=len(paged)):
        paged += [_first(one, "0020000D") for one in page]
    assert paged == whole and len(set(whole)) == len(whole) >= len(archive.studies)


def test_monai_label_looks_for_series_of_all_studies(archive: Archive, server: str) -> None:
    found = _json(f"{server}/series", Modality="CT")
    assert {archive.studies[name] for name in ("ct", "seg", "rtstruct")} <= {_first(one, "0020000D") for one in found}
    assert all(_first(one, "00080060") == "CT" and "00100020" in one and "00080020" in one for one in found)
    (segmentation, *_) = _json(f"{server}/series", Modality="SEG")
    described = _json(f"{server}/studies/{_first(segmentation, '0020000D')}/series/{_first(segmentation, '0020000E')}/metadata")
    assert _first(described[0], "00081115")["0020000E"]["Value"]


NAVIGATION = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("name", "modality", "accept", "wanted", "status", "media"),
    [
        ("video", "ES", "*/*", "bytes=0-", 206, "video/mp4"),
        ("video", "ES", "*/*", "bytes=4-7", 206, "video/mp4"),
        ("documents", "DOC", NAVIGATION, None, 200, "application/pdf"),
    ],
)
def test_browsers_open_films_and_documents(
    name: str, modality: str, accept: str, wanted: str | None, status: int, media: str, archive: Archive, server: str
) -> None:
    """A ``<video>`` asks for ranges, an ``<object>`` as for a page; both get the bytes themselves, shown in place."""
    study = f"{server}/studies/{archive.studies[name]}"
    series = _first(_json(f"{study}/series", Modality=modality, SeriesNumber=1)[0], "0020000E")
    instance = _first(_json(f"{study}/series/{series}/instances")[0], "00080018")
    headers = {"Accept": accept, **({"Range": wanted} if wanted else {})}
    answer = requests.get(f"{study}/series/{series}/instances/{instance}/rendered", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (status, media)
    assert "attachment" not in answer.headers.get("content-disposition", "")
    assert answer.content == b"ftyp" if wanted == "bytes=4-7" else answer.content[:8].endswith((b"ftyp", b"%PDF-1.4"))


@pytest.mark.parametrize("accept", ["application/dicom+xml", "application/dicom+json"])
def test_weasis_stores(accept: str, server: str) -> None:
    """It asks for XML and only logs the answer; whether the store worked it takes from the status."""
    file = next((DATA / "studies" / "us-palette").rglob("*.dcm")).read_bytes()
    body = b"\r\n--mark\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--mark--"
    kind = 'multipart/related; type="application/dicom"; boundary=mark'
    answer = requests.post(f"{server}/studies", data=body, headers={"Content-Type": kind, "Accept": accept}, timeout=30)
    assert answer.status_code == 200, answer.text
