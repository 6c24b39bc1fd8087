"""Requests against the whole application."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from pacs.dicomweb.app import create_app
from tests.dicomweb import fakes

INSTANCE = "/dicomweb/studies/1.2/series/1.2.3/instances/1.2.3.4"
ELE = "1.2.840.10008.1.2.1"


def ask(path: str, method: str = "GET", services: Any = None, **more: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(services or fakes.services()), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
            client.headers.pop("accept")
            return await client.request(method, path, **more)

    return asyncio.run(run())


def frame(path: str, accept: str | None = None, services: Any = None) -> httpx.Response:
    return ask(INSTANCE + path, services=services, headers={"accept": accept} if accept else {})


@pytest.mark.parametrize(
    ("path", "accept", "status", "kind"),
    [
        ("/frames/1", None, 200, "multipart/related"),
        ("/frames/1", "*/*", 200, "multipart/related"),
        ("/frames/1", "multipart/related; type=application/octet-stream; transfer-syntax=*", 200, "multipart/related"),
        ("/frames/1", 'multipart/related; type="*/*"', 200, "multipart/related"),
        ("/frames/1", f'multipart/related;type="image/jpeg";transfer-syntax={fakes.JPEG}', 200, "multipart/related"),
        ("/frames/1", "image/jpeg", 200, "image/jpeg"),
        ("/frames/1", "application/octet-stream", 200, "image/jpeg"),
        ("/frames/1,2", "image/jpeg", 406, "application/json"),
        ("/frames/1,2", None, 200, "multipart/related"),
        ("/frames", None, 200, "multipart/related"),
        ("/frames/1", f"multipart/related; type=application/octet-stream; transfer-syntax={ELE}", 406, ""),
        ("/frames/1", 'multipart/related; type="image/jls"', 406, ""),
        ("/frames/1?accept=text/html", None, 406, ""),
        ("/frames/0", None, 400, ""),
        ("/frames/-1", None, 400, ""),
        ("/frames/x", None, 400, ""),
        ("/frames/4", None, 404, ""),
        ("x/frames/1", None, 400, ""),
        ("9/frames/1", None, 404, ""),
    ],
)
def test_frames(path: str, accept: str | None, status: int, kind: str) -> None:
    got = frame(path, accept)
    assert got.status_code == status, got.text[:200]
    assert got.headers["content-type"].startswith(kind)
    assert got.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("local", [False, True])
def test_frame_bodies(local: bool, tmp_path: Path) -> None:
    services = fakes.services()
    if local:
        (tmp_path / "f").write_bytes(b"".join(fakes.Retrieve.frames))
        services.retrieve.path = str(tmp_path / "f")
    got = frame("/frames/1,3", services=services)
    mark = got.headers["content-type"].split("boundary=")[1]
    head = f"--{mark}\r\nContent-Type: image/jpeg; transfer-syntax={fakes.JPEG}\r\n\r\n".encode()
    frames = fakes.Retrieve.frames
    assert got.content == head + frames[0] + b"\r\n" + head + frames[2] + f"\r\n--{mark}--\r\n".encode()
    for numbers in ("1", "3"):
        one = frame(f"/frames/{numbers}", services=services)
        assert int(one.headers["content-length"]) == len(one.content)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", ELE, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"])
def test_native_frames_are_explicit_little_endian(syntax: str) -> None:
    services = fakes.services()
    services.retrieve.syntax = syntax
    got = frame("/frames/1", f"multipart/related; type=application/octet-stream; transfer-syntax={ELE}", services)
    assert f"\r\nContent-Type: application/octet-stream; transfer-syntax={ELE}\r\n\r\none".encode() in got.content


def test_search() -> None:
    services = fakes.services(maxResults=10)
    services.search.remaining = 3
    proxy = {"x-forwarded-proto": "https", "x-forwarded-host": "pacs.example", "x-forwarded-prefix": "/x"}
    got = ask("/dicomweb/studies?PatientID=A*&limit=99", services=services, headers=proxy)
    assert (got.status_code, got.content) == (200, b"[]")
    assert got.headers["content-type"] == "application/dicom+json"
    assert got.headers["warning"].startswith('299 static-dicomweb "There are 3 additional')
    query, base = services.search.seen
    assert (query.limit, base) == (10, "https://pacs.example/x/dicomweb")
    ask("/dicomweb/studies", services=services)
    assert services.search.seen[1] is None


@pytest.mark.parametrize(
    ("prefix", "base"),
    [
        ("", "/dicomweb"),
        ("/x", "/x/dicomweb"),
        ("/dicomweb", "/dicomweb"),
        ("/x/dicomweb/", "/x/dicomweb"),
        ("mydicomweb", "/mydicomweb/dicomweb"),
    ],
)
def test_links_behind_a_proxy(prefix: str, base: str) -> None:
    """A prefix that ends with the service root is the whole of it: links never name it twice."""
    services = fakes.services()
    ask("/dicomweb/studies", services=services, headers={"x-forwarded-host": "pacs.example", "x-forwarded-prefix": prefix})
    assert services.search.seen[1] == f"http://pacs.example{base}"


@pytest.mark.parametrize(
    ("path", "accept", "status", "kind"),
    [
        ("/dicomweb/studies?Nonsense=1", None, 400, "application/json"),
        ("/dicomweb/studies", "text/html", 406, "application/json"),
        ("/dicomweb/studies/1.2", None, 200, "application/dicom+json"),
        ("/dicomweb/studies/1.2", 'multipart/related; type="application/dicom"', 200, "multipart/related"),
        (INSTANCE, "application/dicom", 200, "application/dicom;"),
        (INSTANCE, f"multipart/related; type=application/dicom; transfer-syntax={ELE}", 406, "application/json"),
        (INSTANCE, f"multipart/related; type=application/dicom; transfer-syntax={fakes.JPEG}", 200, "multipart/rel"),
        ("/dicomweb/studies/7", 'multipart/related; type="application/dicom"', 404, "application/json"),
        ("/dicomweb/studies/..x/metadata", None, 400, "application/json"),
        ("/dicomweb/studies/7/metadata", None, 404, "application/json"),
        (INSTANCE + "/rendered?quality=0", None, 400, "application/json"),
        (INSTANCE + "/rendered?window=1,2,linear&viewport=5,5", "image/*", 200, "image/jpeg"),
        (INSTANCE + "/frames/1/thumbnail?viewport=64%2C64", "image/jpeg", 200, "image/jpeg"),
        ("/dicomweb/studies/1.2/thumbnail?viewport=a,b", None, 400, "application/json"),
        ("/dicomweb/studies/1.2/bulkdata/" + "a" * 64, None, 200, "application/pdf"),
        ("/dicomweb/studies/1.2/bulkdata/" + "a" * 64, 'multipart/related; type="*/*"', 200, "multipart/related"),
        ("/dicomweb/studies/1.2/bulkdata/x", None, 400, "application/json"),
        ("/dicomweb/studies/1.2/bulkdata", None, 200, "application/json"),
        ("/dicomweb/nothing", None, 404, "application/json"),
        ("/health", None, 200, "application/json"),
        ("/", None, 200, "text/html"),
    ],
)
def test_resources(path: str, accept: str | None, status: int, kind: str) -> None:
    got = ask(path, headers={"accept": accept} if accept else {})
    assert got.status_code == status, got.text[:300]
    assert got.headers["content-type"].startswith(kind)
    assert got.headers["x-content-type-options"] == "nosniff"


def test_metadata_forms() -> None:
    path = "/dicomweb/studies/1.2/metadata"
    got = ask(path, headers={"accept-encoding": "gzip"})
    assert (got.headers["content-encoding"], got.json()) == ("gzip", [{}])
    plain = ask(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.json() == [{}]
    again = ask(path, headers={"if-none-match": got.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"tag"')


def test_instance_multipart_is_exact() -> None:
    got = ask(INSTANCE, headers={"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    mark = got.headers["content-type"].split("boundary=")[1].encode()
    head = b"--" + mark + b"\r\nContent-Type: application/dicom; transfer-syntax=" + fakes.JPEG.encode()
    assert got.content == head + b"\r\n\r\n" + fakes.FILE + b"\r\n--" + mark + b"--\r\n"


@pytest.mark.parametrize(
    ("asked", "status", "body", "where"),
    [
        ("bytes=0-3", 206, b"%PDF", "bytes 0-3/13"),
        ("bytes=9-", 206, b"body", "bytes 9-12/13"),
        ("bytes=-4", 206, b"body", "bytes 9-12/13"),
        ("bytes=13-", 416, None, "bytes */13"),
        ("bytes=0-1,3-4", 200, b"%PDF-1.7 body", None),
    ],
)
def test_bulk_ranges(asked: str, status: int, body: bytes | None, where: str | None) -> None:
    got = ask("/dicomweb/studies/1.2/bulkdata/" + "a" * 64, headers={"range": asked})
    assert (got.status_code, got.headers.get("content-range")) == (status, where)
    assert body is None or got.content == body


def test_head_options_and_methods() -> None:
    head = ask("/dicomweb/studies", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    options = ask("/anything", "OPTIONS")
    assert options.status_code == 204 and options.headers["access-control-max-age"] == "600"
    put = ask("/dicomweb/studies/1.2/metadata", "PUT")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask("/dicomweb/studies", "DELETE").headers["allow"] == "GET, HEAD, POST, OPTIONS"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:3000", 200), ("http://inner", 200), ("https://evil.example", 403), ("null", 403)],
)
def test_cross_origin_store(origin: str, status: int) -> None:
    headers = {"content-type": "application/dicom", "origin": origin}
    assert ask("/dicomweb/studies", "POST", content=b"ok", headers=headers).status_code == status


def test_unexpected_errors_tell_nothing() -> None:
    services = fakes.services()
    services.search.run = lambda query, base: 1 / 0
    got = ask("/dicomweb/studies", services=services)
    assert got.status_code == 500 and "zero" not in got.text


def test_client_folder(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>viewer")
    services = fakes.services(clientDir=str(tmp_path))
    for path, status in {"/": 200, "/viewer": 200, "/a.js": 404, "/status.html": 200, "/dicomweb/x": 404}.items():
        assert ask(path, services=services).status_code == status, path
