"""Values as the index compares them (PS3.5 6.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.domain import values


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10", "100000.000000", "105959.999999"),
        ("1015", "101500.000000", "101559.999999"),
        ("10:15:30", "101530.000000", "101530.999999"),
        ("101530.5", "101530.500000", "101530.599999"),
        ("101530.123456", "101530.123456", "101530.123456"),
        ("235960", "235960.000000", "235960.999999"),
        ("24", None, None),
        ("1", None, None),
        ("1060", None, None),
        ("٣٠", None, None),
    ],
)
def test_times(text: str, first: str | None, last: str | None) -> None:
    assert (values.time(text), values.time(text, last=True)) == (first, last)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020", "20200101000000.000000", "20201231235959.999999"),
        ("202002", "20200201000000.000000", "20200229235959.999999"),
        ("2020022910", "20200229100000.000000", "20200229105959.999999"),
        ("20200229101530.5+0100", "20200229091530.500000", "20200229091530.599999"),
        ("20200101000000+0130", "20191231223000.000000", "20191231223000.999999"),
        ("20200101000000-0130", "20200101013000.000000", "20200101013000.999999"),
        ("0001", "00010101000000.000000", "00011231235959.999999"),
        ("20200230", None, None),
        ("0001010100+1400", None, None),
        ("x", None, None),
    ],
)
def test_moments(text: str, first: str | None, last: str | None) -> None:
    assert (values.moment(text), values.moment(text, last=True)) == (first, last)


@pytest.mark.parametrize(
    ("vr", "text", "kept"),
    [
        ("IS", "01", "1"),
        ("IS", " +1 ", "1"),
        ("DS", "1.50", "1.5"),
        ("DS", "-0.0", "0"),
        ("DS", "1e2", "100"),
        ("DS", "1e999999999", None),
        ("DS", "NaN", None),
        ("DS", "1\\2", None),
        ("DA", "2020.01.31", "20200131"),
        ("DA", "20200131", "20200131"),
        ("DA", "20200132", None),
        ("PN", "MÜLLER^Jörg^^", "muller^jorg"),
        ("PN", "Straße^Øyvind", "strasse^oyvind"),
        ("PN", "A^ B ^=  =", "a^b"),
        ("PN", "=山田", "=山田"),
        ("PN", "が", "が"),
        ("PN", "^^", None),
        ("LO", " Case Stays ", "Case Stays"),
        ("CS", "", None),
    ],
)
def test_values(vr: str, text: str, kept: str | None) -> None:
    found = values.indexed(vr, text)
    assert found == (values.fold(kept) if vr == "PN" and kept else kept)
    assert found is None or vr == "PN" or found == kept


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(text: str) -> None:
    once = values.fold(text)
    assert values.fold(once) == once


@given(st.sampled_from(["PN", "DA", "TM", "DT", "IS", "DS", "LO", "UI"]), st.text(max_size=40))
def test_no_value_is_a_fault(vr: str, text: str) -> None:
    found = values.indexed(vr, text)
    assert found is None or len(found) > 0
