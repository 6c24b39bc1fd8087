"""Accept headers and the error table."""

import pytest

from pacs.cli.exits import EXIT
from pacs.dicomweb import accept
from pacs.dicomweb.errors import STATUS
from pacs.dicomweb.requests import base_url, coding
from pacs.domain import errors
from pacs.domain.errors import NotAcceptable

FORMS = (
    accept.Form("json", ("application/dicom+json", "application/json")),
    accept.Form("multi", ("application/dicom",), True, True),
    accept.Form("single", ("application/dicom",), False, True),
)
TARGETS = accept.Targets(("1.2.80", "1.2.1", "1.2.90"), ("1.2.50",), "1.2.1")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("application/*;q=0.5, application/dicom", "single"),
        ('multipart/related;type="application/dicom";transfer-syntax=*', "multi"),
        ("multipart/related; type=application/dicom", "multi"),
        ('multipart/related; type="*/*"', "multi"),
        ("multipart/related; type=application/*; transfer-syntax=1.2.3,1.2.4", "multi"),
        ("multipart/related; type=application/dicom; transfer-syntax=1.2.3; transfer-syntax=1.2.4", "multi"),
        ("application/json;q=0, */*", "multi"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/html", None),
        ('multipart/related; type="image/jpeg"', None),
        ("*/*;q=0", None),
        ("application/dicom;q=0.1, */*", "json"),
        ("application/dicom; q=nonsense", "single"),
        (',;,";"=,*', "json"),
    ],
)
def test_accept(header: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(NotAcceptable) as error:
            accept.choose(accept.parse(header), FORMS)
        assert len(error.value.available) == 3
    else:
        assert accept.choose(accept.parse(header), FORMS).name == name


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("application/dicom", "1.2.1"),
        ("application/dicom; transfer-syntax=*", "1.2.80"),
        ('application/dicom; transfer-syntax="1.2.90"', "1.2.90"),
        ("application/dicom; transfer-syntax=1.2.90, 1.2.80", "1.2.80"),
        ("application/dicom; transfer-syntax=1.2.7; transfer-syntax=1.2.50", "1.2.50"),
        ("application/dicom; transfer-syntax=1.2.7", None),
        ("application/dicom; transfer-syntax=1.2.90; q=0.2, application/dicom; transfer-syntax=1.2.1; q=0.3", "1.2.1"),
        ("application/dicom; transfer-syntax=1.2.7, application/dicom; transfer-syntax=1.2.90; q=0.1", "1.2.90"),
    ],
)
def test_transfer_syntax(header: str, target: str | None) -> None:
    assert TARGETS.first(accept.fitting(accept.parse(header), FORMS[2])) == target


@pytest.mark.parametrize(
    ("header", "coded"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("zstd", "zstd"),
        ("gzip;q=0.5, zstd", "zstd"),
        ("gzip;q=0, *", "zstd"),
        ("identity, gzip;q=0.5", ""),
        ("gzip;q=0", ""),
        ("*;q=0", ""),
        ("br", ""),
        ("*", "gzip"),
    ],
)
def test_content_coding(header: str, coded: str) -> None:
    assert coding(header) == coded


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({}, None),
        ({"host": "inner:5000"}, None),
        ({"x-forwarded-host": "pacs.example"}, "http://pacs.example/dicomweb"),
        ({"x-forwarded-host": "a.example, b", "x-forwarded-proto": "https, http"}, "https://a.example/dicomweb"),
        ({"x-forwarded-host": "a:8443", "x-forwarded-prefix": "x/y/"}, "http://a:8443/x/y/dicomweb"),
        ({"forwarded": 'for=1.2.3.4;proto=https;host="[2001:db8::1]:8443", for=5'}, "https://[2001:db8::1]:8443/dicomweb"),
        ({"x-forwarded-host": 'a"b'}, None),
        ({"x-forwarded-host": "a/b"}, None),
        ({"x-forwarded-host": "user@a"}, None),
        ({"x-forwarded-host": "a", "x-forwarded-prefix": '/"},{'}, None),
        ({"x-forwarded-host": "a", "x-forwarded-prefix": "//evil"}, None),
        ({"x-forwarded-host": "a", "x-forwarded-proto": "javascript"}, None),
    ],
)
def test_base_url(headers: dict[str, str], base: str | None) -> None:
    """Never from a bare Host; what is no host or path never becomes part of a document."""
    assert base_url(headers, "/dicomweb", None) == base
    assert base_url(headers, "/dicomweb", "https://public/pacs/") == "https://public/pacs"


def _tree(kind: type[errors.PacsError]) -> list[type[errors.PacsError]]:
    own = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return [kind, *(deeper for one in own for deeper in _tree(one))]


@pytest.mark.parametrize("table", [STATUS, EXIT])
def test_every_error_has_a_row(table: dict[type[errors.PacsError], int]) -> None:
    assert set(_tree(errors.PacsError)) <= set(table)
