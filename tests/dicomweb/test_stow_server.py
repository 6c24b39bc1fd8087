"""Store against a real server: connections, limits, and metadata with bulk data there and back."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.processes import line, serving

DATA = Path(__file__).parent.parent / "data"
CT = sorted((DATA / "studies" / "mr-siemens-4series").rglob("*.dcm"))[0].read_bytes()
LIMIT = 8_000_000
OPEN_FILES = 256
DICOM = "application/dicom"
PARTS = 'multipart/related; type="application/dicom"; boundary=B'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("stow")
    (folder / "config.json5").write_text(json.dumps({"dicomWebServerConfig": {"maxBodyBytes": LIMIT}}))
    few_files = ["sh", "-c", f'ulimit -n {OPEN_FILES}; exec "$@"', "sh", *line("dicomwebserver")]
    with serving("-c", folder / "config.json5", "-o", folder / "root", command=few_files) as base:
        yield base


def talk(base: str, head: str, body: bytes = b"") -> bytes:
    """What the server says until it closes the connection."""
    where = urlsplit(base)
    with socket.create_connection((str(where.hostname), where.port or 80), timeout=30) as wire:
        wire.sendall(f"POST {where.path}/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {DICOM}\r\n{head}\r\n".encode())
        wire.sendall(body)
        said = b""
        while more := wire.recv(65536):
            said += more
    return said


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Length: {LIMIT + 1}\r\n", bytes(LIMIT + 1)),
        (f"Content-Length: {10**15}\r\nExpect: 100-continue\r\n", b""),
        ("Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (LIMIT + 1, bytes(LIMIT + 1))),
    ],
    ids=["length", "expect", "chunked"],
)
def test_a_body_over_the_limit_is_answered_and_the_connection_closed(base: str, head: str, body: bytes) -> None:
    said = talk(base, head, body)
    assert said.startswith(b"HTTP/1.1 413 "), said[:200]
    assert b"connection: close" in said.lower() and b'"limit": 8000000' in said


def test_a_client_that_goes_away_leaves_nothing(base: str) -> None:
    where = urlsplit(base)
    with socket.create_connection((str(where.hostname), where.port or 80), timeout=30) as wire:
        head = f"POST {where.path}/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {DICOM}\r\nContent-Length: 100000\r\n\r\n"
        wire.sendall(head.encode() + CT[:50_000])
    assert httpx.get(f"{base}/studies?limit=1").status_code == 200
    uid = "1.2.3.4.5"
    assert httpx.get(f"{base}/studies?StudyInstanceUID={uid}").json() == []


def test_refusals_keep_the_connection(base: str) -> None:
    with httpx.Client(base_url=base) as client:
        for kind, body, code in (("text/x", b"x" * 100_000, 415), (DICOM, b"junk", 409), (PARTS, b"-", 400), (DICOM, CT, 200)):
            assert client.post("/studies", content=body, headers={"content-type": kind}).status_code == code
        pool = client._transport._pool  # type: ignore[attr-defined]
        assert len(pool.connections) == 1


def test_the_same_again_changes_nothing(base: str) -> None:
    answers = [httpx.post(f"{base}/instances", content=CT, headers={"content-type": DICOM}) for _ in range(2)]
    packed = {"content-type": DICOM, "content-encoding": "gzip"}
    answers.append(httpx.post(f"{base}/studies", content=gzip.compress(CT), headers=packed))
    assert {got.status_code for got in answers} == {200}
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_one_request_of_many_parts(base: str) -> None:
    """More parts than the process may have files open."""
    part = b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n"
    small = (DATA / "charsets" / "pydicom" / "chrArab.dcm").read_bytes()
    body = (part + small) * 1500 + b"\r\n--B--"
    got = httpx.post(f"{base}/studies", content=body, headers={"content-type": PARTS}, timeout=200)
    assert got.status_code == 200, got.text[:300]
    assert len(got.json()["00081199"]["Value"]) == 1500


def test_served_metadata_and_frames_can_be_stored_again(base: str) -> None:
    """What a server serves as metadata, bulk data and frames is a whole object: given new UIDs, it stores and comes back."""
    first = httpx.post(f"{base}/studies", content=CT, headers={"content-type": DICOM}).json()
    url = first["00081199"]["Value"][0]["00081190"]["Value"][0]
    place = f"{base}{url.removeprefix(urlsplit(base).path)}" if url.startswith("/") else url
    [members] = httpx.get(f"{place}/metadata").json()
    pixels = httpx.get(f"{place}/frames/1", headers={"accept": "application/octet-stream"}).content
    members["00080018"]["Value"] = ["1.2.3.4.5.6"]
    members["7FE00010"] = {"vr": "OW", "BulkDataURI": "frames"}
    kept = [one["BulkDataURI"] for tag, one in members.items() if "BulkDataURI" in one and tag != "7FE00010"]
    body = b"\r\n--B\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps([members]).encode()
    for uri in kept:
        value = httpx.get(urljoin(f"{place}/", uri), headers={"accept": "application/octet-stream"})
        assert value.status_code == 200, uri
        body += f"\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Location: {uri}\r\n\r\n".encode() + value.content
    body += b"\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Location: frames/1\r\n\r\n" + pixels + b"\r\n--B--"
    kind = 'multipart/related; type="application/dicom+json"; boundary=B'
    got = httpx.post(f"{base}/studies", content=body, headers={"content-type": kind, "accept": "application/dicom+json"})
    assert got.status_code == 200, got.text
    again = place.rsplit("/", 1)[0] + "/1.2.3.4.5.6"
    [made] = httpx.get(f"{again}/metadata").json()
    assert made["00100010"] == members["00100010"]
    assert httpx.get(f"{again}/frames/1", headers={"accept": "application/octet-stream"}).content == pixels
