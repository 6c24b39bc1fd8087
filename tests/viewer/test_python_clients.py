"""dicomweb-client, every call, and wsidicom, over the real server."""

import json
import subprocess
import sys
from typing import Any

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from wsidicom import WsiDicom, WsiDicomWebClient

from tests.viewer.cases import DATA
from tests.viewer.conftest import Archive
from tests.viewer.programs import KIT

STORED = sorted((DATA / "studies" / "rt-phantom").glob("*.dcm"))[:3]
# How many items each call gives; None where that depends on the archive.
GIVES = {
    "search_for_studies": None,
    "search_for_studies StudyInstanceUID": 1,
    "search_for_studies filters": 2,
    "search_for_studies fuzzy": None,
    "search_for_studies get_remaining": None,
    "search_for_studies none": 0,
    "search_for_series of study": 1,
    "search_for_series of all": 3,
    "search_for_instances": 64,
    "study metadata": 64,
    "series metadata": 64,
    "instance metadata": None,
    "metadata as pydicom Dataset": None,
    "retrieve_instance": None,
    "retrieve_instance explicit LE": None,
    "iter_series": 64,
    "retrieve_study": 64,
    "frames, default": 1,
    "frames, stored syntax": 1,
    "frames, octet-stream": 1,
    "frames, octet-stream or jp2": 1,
    "frames, image/*": 1,
    "frames, streamed": 1,
    "rendered": None,
    "rendered png": None,
    "frame rendered": None,
    "series rendered": None,
    "bulkdata as written": 1,
    "bulkdata": 1,
    "bulkdata octet-stream": 1,
    "bulkdata range": 1,
    "store_instances": None,
    "store_instances to a study, chunked": None,
}
# Nothing is there, or nothing takes this: until objects can be deleted, 405.
REFUSED = {"frame past the end": 404, "metadata of an unknown study": 404, "delete_instance": 405}


@pytest.fixture(scope="module")
def calls(archive: Archive, named_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each call of ``tests/ohif/clients.py`` came to."""
    report = tmp_path_factory.mktemp("clients") / "calls.json"
    line = [sys.executable, str(KIT / "clients.py"), "--base-url", named_server, "--study", archive.studies["ct"]]
    line += ["--delete", "--json", str(report), "--store", *map(str, STORED)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return {one["call"]: one for one in json.loads(report.read_text())}


@pytest.mark.parametrize("name", GIVES)
def test_call_works(name: str, calls: dict[str, dict[str, Any]]) -> None:
    call = calls[name]
    assert call["ok"], call["error"]
    assert GIVES[name] in (None, call["size"])


@pytest.mark.parametrize("name", REFUSED)
def test_call_is_refused_as_the_standard_says(name: str, calls: dict[str, dict[str, Any]]) -> None:
    call = calls[name]
    assert not call["ok"]
    assert call["requests"][-1]["status"] == REFUSED[name]


def test_every_call_is_judged(calls: dict[str, dict[str, Any]]) -> None:
    assert set(calls) == {*GIVES, *REFUSED}


def test_client_gets_what_the_file_holds(named_server: str, archive: Archive) -> None:
    client = DICOMwebClient(named_server)
    path = next((DATA / "studies" / "mr-siemens-4series").rglob("*.dcm"))
    file = pydicom.dcmread(path)
    place = (file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID)
    assert client.retrieve_instance(*place) == file
    assert client.retrieve_instance_frames(*place, [1]) == [file.PixelData]
    (found,) = client.search_for_instances(*place[:2], search_filters={"SOPInstanceUID": place[2]})
    assert found["00083002"]["Value"] == [file.file_meta.TransferSyntaxUID]
    said = client.retrieve_instance_metadata(*place)
    assert client.retrieve_bulkdata(said["7FE00010"]["BulkDataURI"]) == [file.PixelData]


def test_stored_answer_leads_to_the_series(named_server: str) -> None:
    """Clients that store a result read where it is out of RetrieveURL."""
    file = pydicom.dcmread(STORED[0])
    answer = DICOMwebClient(named_server).store_instances([file])
    (item,) = answer.ReferencedSOPSequence
    assert item.RetrieveURL == (
        f"{named_server}/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}"
    )


@pytest.mark.filterwarnings("ignore:No bulk data URI handler")
def test_wsidicom_opens_a_slide(named_server: str, archive: Archive) -> None:
    """Tiles by frame lists, in the stored syntax, and all levels of the pyramid."""
    client, study = DICOMwebClient(named_server), archive.studies["slides"]
    series = [one["0020000E"]["Value"][0] for one in client.search_for_series(study)]
    with WsiDicom.open_web(WsiDicomWebClient(client), study, series) as slide:
        assert (slide.size.width, slide.size.height) == (768, 512)
        assert len(slide.levels) == 2
        region = slide.read_region((0, 0), 0, (300, 300))
    assert region.size == (300, 300)
    assert all(high - low > 50 for low, high in region.getextrema())
