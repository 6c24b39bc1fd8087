"""Records of searches."""

import json

from pacs.convert.records import Recorder, split
from pacs.domain.model import Found, Level
from pacs.domain.query import Query, QueryLevel


def _record(found: Found, query: Query) -> dict[str, dict[str, object]]:
    members: dict[str, dict[str, object]] = json.loads(Recorder(query, None).record(found))
    return members


def test_modalities_in_study_is_left_out_when_there_is_none() -> None:
    """OHIF's study list fails on the attribute without Value."""
    record = _record(Found(("1.2",), (Level(b""),), (), 1, (2,)), Query(QueryLevel.STUDY))
    assert "00080061" not in record
    assert record["00201208"]["Value"] == [2]


def test_rows_of_an_older_program_are_read() -> None:
    ready = b'"00080020":{"vr":"DA","Value":["20200101"]},"00080030":{"vr":"TM"}'
    assert split(ready) == [b'"00080020":{"vr":"DA","Value":["20200101"]}', b'"00080030":{"vr":"TM"}']


def test_a_sequence_is_cut_to_the_path_asked_for() -> None:
    """PS3.4 C.2.2.2.6; PS3.18 8.3.4.3."""
    inner = '"00080100":{"vr":"SH","Value":["T1"]},"00080104":{"vr":"LO","Value":["Chest"]}'
    extra = {"00081032": f'"00081032":{{"vr":"SQ","Value":[{{{inner}}}]}}'.encode()}
    found = Found(("1.2",), (Level(b"", extra),), (), 1, (2,))
    cut = _record(found, Query(QueryLevel.STUDY, include=frozenset(("00081032.00080100",))))
    assert cut["00081032"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["T1"]}}]
    whole = _record(found, Query(QueryLevel.STUDY, include=frozenset(("00081032", "00081032.00080100"))))
    assert json.dumps(whole["00081032"]["Value"]) == json.dumps([json.loads(f"{{{inner}}}")])


def test_a_private_attribute_comes_with_its_creator() -> None:
    """PS3.18 10.6.3.3.1."""
    ready = b'"00430010":{"vr":"LO","Value":["GEMS_PARM_01"]},\n"00431028":{"vr":"LO","Value":["x"]}'
    found = Found(("1.2",), (Level(b"", {"00431028": ready}),), (), 1, (2,))
    record = _record(found, Query(QueryLevel.STUDY, include=frozenset(("00431028",))))
    assert (record["00430010"]["Value"], record["00431028"]["Value"]) == (["GEMS_PARM_01"], ["x"])
