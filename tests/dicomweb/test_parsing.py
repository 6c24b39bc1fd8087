"""Accept headers and the error table."""

import pytest

from pacs.cli.exits import EXIT
from pacs.dicomweb import accept
from pacs.dicomweb.errors import STATUS
from pacs.domain import errors
from pacs.domain.errors import NotAcceptable

OFFERS = [
    accept.Offer("json", ("application/dicom+json", "application/json")),
    accept.Offer("multi", ("application/dicom",), True, ("1.2.4",)),
    accept.Offer("single", ("application/dicom",), False, ("1.2.4",)),
]


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
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.3', None),
        ("application/json;q=0, */*", "multi"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/html", None),
        ('multipart/related; type="image/jpeg"', None),
    ],
)
def test_accept(header: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(NotAcceptable) as error:
            accept.choose(accept.parse(header), OFFERS)
        assert len(error.value.available) == 3
    else:
        assert accept.choose(accept.parse(header), OFFERS).name == name


def _tree(kind: type[errors.PacsError]) -> list[type[errors.PacsError]]:
    own = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return [kind, *(deeper for one in own for deeper in _tree(one))]


@pytest.mark.parametrize("table", [STATUS, EXIT])
def test_every_error_has_a_row(table: dict[type[errors.PacsError], int]) -> None:
    assert set(_tree(errors.PacsError)) <= set(table)
