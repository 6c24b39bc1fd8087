"""Keys as conditions, where HTTP alone does not reach (PS3.4 C.2.2.2)."""

import pytest

from pacs.domain.attributes import Attribute, QueryLevel
from pacs.domain.errors import BadRequest
from pacs.domain.matching import Rules, condition

FIRST, LAST = "20200101000000.000000", "20201231235959.999999"


def _attribute(vr: str, multiple: bool = False) -> Attribute:
    return Attribute("Key", "00080000", vr, QueryLevel.STUDY, "*", "A", multiple)


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("2020", "range", (FIRST, LAST)),
        ("2020-2020", "range", (FIRST, LAST)),
        ("2020-", "range", (FIRST, "")),
        ("-2020", "range", ("", LAST)),
        ("20200101000000.000000", "equals", (FIRST,)),
        ("20200101-0100", "range", ("20200101010000.000000", "20200102005959.999999")),
        ("20200101-0100-20200102+0100", "range", ("20200101010000.000000", "20200102225959.999999")),
        ("202001-202002", "range", (FIRST, "20200229235959.999999")),
        ("2020-2021", "range", (FIRST, "20211231235959.999999")),
    ],
)
def test_date_times(text: str, kind: str, values: tuple[str, ...]) -> None:
    """An offset after a hyphen is told from the end of a range by its hour, below 15 (C.2.2.2.5.3)."""
    found = condition(_attribute("DT"), text)
    assert found is not None and (found.kind, found.values) == (kind, values)


@pytest.mark.parametrize("text", ["-", "x", "2020-x", "20200101 - 20190101"])
def test_bad_date_times(text: str) -> None:
    with pytest.raises(BadRequest, match="Key"):
        condition(_attribute("DT"), text)


@pytest.mark.parametrize(
    ("vr", "multiple", "text", "kind", "values"),
    [
        ("LO", True, "A,B\\C", "all", ("A,B", "C")),
        ("LO", False, "A\\B", "list", ("A", "B")),
        ("CS", True, "A,B", "all", ("A", "B")),
        ("UI", True, "1.2\\1.3", "list", ("1.2", "1.3")),
        ("DS", True, "1\\2.0", "list", ("1", "2")),
        ("AS", False, "010Y,011Y", "list", ("010Y", "011Y")),
        ("AS", False, "0*", "equals", ("0*",)),
        ("AE", False, "A*", "wildcard", ("A*",)),
        ("DA", False, "20200101,20200102", "list", ("20200101", "20200102")),
        ("PN", True, "A^B\\C", "all", ("a^b", "c")),
        ("FD", False, "1e3", "equals", ("1000",)),
    ],
)
def test_lists(vr: str, multiple: bool, text: str, kind: str, values: tuple[str, ...]) -> None:
    found = condition(_attribute(vr, multiple), text, Rules(multiple=True))
    assert found is not None and (found.kind, found.values) == (kind, values)
