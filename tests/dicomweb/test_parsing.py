"""Accept headers, query strings and the error table."""

import pytest

from pacs.cli.exits import EXIT
from pacs.dicomweb import accept, qido
from pacs.dicomweb.errors import STATUS
from pacs.dicomweb.requests import pairs
from pacs.domain import errors
from pacs.domain.errors import BadRequest, NotAcceptable
from pacs.domain.query import QueryLevel

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


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("PatientName=", []),
        ("PatientID=*", []),
        ("00100020=A1", [("PatientID", "equals", ("A1",))]),
        ("PatientName=M%C3%BCller*", [("PatientName", "wildcard", ("muller*",))]),
        ("PatientName=Doe%5EJ&fuzzymatching=true", [("PatientName", "words", ("doe", "j"))]),
        ("StudyDate=20240101-20240131", [("StudyDate", "range", ("20240101", "20240131"))]),
        ("StudyDate=20240101-", [("StudyDate", "range", ("20240101", ""))]),
        ("StudyDate=-20240131", [("StudyDate", "range", ("", "20240131"))]),
        ("StudyTime=10-1130", [("StudyTime", "range", ("10", "113059.999999"))]),
        ("StudyInstanceUID=1.2,1.3", [("StudyInstanceUID", "list", ("1.2", "1.3"))]),
        ("0020000d=1.2%5C1.3", [("StudyInstanceUID", "list", ("1.2", "1.3"))]),
        ("ModalitiesInStudy=CT", [("ModalitiesInStudy", "equals", ("CT",))]),
    ],
)
def test_query(query: str, expected: list[tuple[str, str, tuple[str, ...]]]) -> None:
    found = qido.parse_query(pairs(query.encode()), QueryLevel.STUDY, None, None, 100)
    assert [(c.attribute.keyword, c.kind, c.values) for c in found.conditions] == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("Nonsense=1", "Nonsense"),
        ("PatientAge=1", "PatientAge"),
        ("Modality=CT", "Modality"),
        ("PatientID=A&00100020=A", "PatientID"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=-1", "offset"),
        ("fuzzymatching=maybe", "fuzzymatching"),
        ("includefield=Nope", "Nope"),
        ("StudyDate=2024", "2024"),
        ("StudyDate=20240230", "20240230"),
        ("StudyDate=20240201-20240101", "StudyDate"),
        ("StudyTime=2500", "2500"),
        ("StudyInstanceUID=x", "StudyInstanceUID"),
    ],
)
def test_bad_query(query: str, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        qido.parse_query(pairs(query.encode()), QueryLevel.STUDY, None, None, 100)


def test_paging_and_fields() -> None:
    text = b"limit=500&offset=7&includefield=StudyDescription,00080020&includefield=all"
    found = qido.parse_query(pairs(text), QueryLevel.STUDY, None, None, 100)
    assert (found.limit, found.offset, found.include_all) == (100, 7, True)
    assert found.include == {"00081030", "00080020"}


def test_uid_of_path_and_query() -> None:
    assert qido.parse_query([("StudyInstanceUID", "1.2")], QueryLevel.SERIES, "1.2", None, 9).conditions == ()
    with pytest.raises(BadRequest):
        qido.parse_query([("StudyInstanceUID", "1.3")], QueryLevel.SERIES, "1.2", None, 9)


def _tree(kind: type[errors.PacsError]) -> list[type[errors.PacsError]]:
    own = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return [kind, *(deeper for one in own for deeper in _tree(one))]


@pytest.mark.parametrize("table", [STATUS, EXIT])
def test_every_error_has_a_row(table: dict[type[errors.PacsError], int]) -> None:
    assert set(_tree(errors.PacsError)) <= set(table)
