"""Requests against the whole application."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dicomweb import fakes
from tests.dicomweb.served import send

INSTANCE = "/dicomweb/studies/1.2/series/1.2.3/instances/1.2.3.4"


def ask(path: str, method: str = "GET", services: Any = None, **more: Any) -> httpx.Response:
    return send(services or fakes.services(), path, method, **more)


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
        ("/dicomweb/nothing", None, 404, "application/json"),
        ("/health", None, 200, "application/json"),
        ("/openapi.json", None, 200, "application/json"),
        ("/conformance", None, 200, "text/html"),
        ("/", None, 200, "text/html"),
    ],
)
def test_resources(path: str, accept: str | None, status: int, kind: str) -> None:
    got = ask(path, headers={"accept": accept} if accept else {})
    assert got.status_code == status, got.text[:300]
    assert got.headers["content-type"].startswith(kind)
    assert got.headers["x-content-type-options"] == "nosniff"


def test_head_options_and_methods() -> None:
    head = ask("/dicomweb/studies", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    options = ask("/anything", "OPTIONS")
    assert options.status_code == 204 and int(options.headers["access-control-max-age"]) >= 600
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
