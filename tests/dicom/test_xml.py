"""Native DICOM Model: every file of the data there and back, and XML that is hostile or wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pacs.dicom import xml
from pacs.dicom.json import dataset_json
from pacs.dicom.reader import read
from pacs.domain.errors import Refused

DATA = Path(__file__).parent.parent / "data"
FILES = [
    entry
    for entry in json.loads((DATA / "manifest.json").read_text())["files"]
    if entry["expected"] == "ok" and entry["bytes"] < 300_000 and "mr-ge" not in entry["path"]
]


def document(body: str, head: str = "") -> bytes:
    return f'{head}<NativeDicomModel xmlns="{xml.NAMESPACE}">{body}</NativeDicomModel>'.encode()


def attribute(tag: str, vr: str, body: str, more: str = "") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}"{more}>{body}</DicomAttribute>'


def canonical(value: Any) -> Any:
    """What XML keeps of a value: no trailing empty name components, no characters outside of XML 1.0, no null at the end."""
    if isinstance(value, dict):
        if set(value) <= {"Alphabetic", "Ideographic", "Phonetic"}:
            value = {group: text.rstrip("^") for group, text in value.items() if text.rstrip("^")} or None
            return {group: xml._FORBIDDEN.sub("\ufffd", text) for group, text in value.items()} if value else None
        made = {name: canonical(one) for name, one in value.items()}
        if made.get("vr") != "SQ" and "Value" in made:
            while made["Value"] and made["Value"][-1] is None:
                made["Value"].pop()
            if not made["Value"]:
                del made["Value"]
        return made
    if isinstance(value, list):
        return [canonical(one) if one != {} else {} for one in value]
    return xml._FORBIDDEN.sub("\ufffd", value) if isinstance(value, str) else value


def test_every_file_there_and_back() -> None:
    for entry in FILES:
        file = read((DATA / entry["path"]).read_bytes())
        members = json.loads(dataset_json(file, lambda f, e, path: f"bulk/{path}" if e.length > 1024 else None))
        document = xml.from_json(members)
        assert ElementTree.fromstring(document).tag == f"{{{xml.NAMESPACE}}}NativeDicomModel"
        assert canonical(xml.to_json(document)) == canonical(members), entry["path"]


def test_the_form_of_the_standard() -> None:
    """Names and attributes of PS3.19 Table A.1.5-2."""
    members = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane^^Dr", "Ideographic": "山田^太郎"}]},
        "00290010": {"vr": "LO", "Value": ["ACME"]},
        "00291001": {"vr": "SQ", "Value": [{}, {"00080018": {"vr": "UI", "Value": ["1.2"]}}]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "a?b&c"},
    }
    root = ElementTree.fromstring(xml.from_json(members))
    space = "{" + xml.NAMESPACE + "}"
    name, creator, private, pixels = list(root)
    assert (name.attrib, name[0].attrib) == ({"tag": "00100010", "vr": "PN", "keyword": "PatientName"}, {"number": "1"})
    assert [(part.tag, part.text) for part in name[0][0]] == [
        (space + "FamilyName", "Doe"), (space + "GivenName", "Jane"), (space + "NamePrefix", "Dr"),
    ]  # fmt: skip
    assert name[0][1].tag == space + "Ideographic"
    assert (private.get("privateCreator"), private.get("keyword")) == ("ACME", None)
    assert [(item.tag, item.get("number"), len(item)) for item in private] == [(space + "Item", "1", 0), (space + "Item", "2", 1)]
    assert pixels[0].attrib == {"uri": "a?b&c"}


@pytest.mark.parametrize("tag", ["00290001", "00291001", "0029FF01"])
def test_a_private_element_without_its_creator_gets_one(tag: str) -> None:
    found = xml.to_json(document(attribute(tag, "LO", '<Value number="1">x</Value>', ' privateCreator="ACME"')))
    block = "10" if tag[4:6] == "00" else tag[4:6]
    creator = found[f"002900{block}"] if f"002900{block}" in found else found["00290010"]
    assert creator == {"vr": "LO", "Value": ["ACME"]}
    assert sum(name.endswith("01") for name in found) == 1


def test_two_creators_never_share_a_block() -> None:
    value = '<Value number="1">x</Value>'
    found = xml.to_json(document("".join(attribute("00290001", "LO", value, f' privateCreator="{n}"') for n in "AB")))
    assert sorted(found) == ["00290010", "00290011", "00291001", "00291101"]


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (document(attribute("00100020", "LO", '<Value number="1">&b;</Value>'), ENTITIES), "document type"),
        (document("", EXTERNAL), "document type"),
        (b"", "not well-formed"),
        (b"<a>", "not well-formed"),
        (b"<html/>", "NativeDicomModel is wanted"),
        (document("<Value/>"), "DicomAttribute is wanted"),
        (document(attribute("0010002", "LO", "")), "tag '0010002'"),
        (document(attribute("00100020", "l", "")), "vr 'l'"),
        (document(attribute("00100020", "LO", '<Value number="x">1</Value>')), "not a number"),
        (document(attribute("00100020", "LO", '<Value number="99999999">1</Value>')), "not 1, 2, 3"),
        (document(attribute("00100020", "LO", '<Value number="1">1</Value><Value number="1">2</Value>')), "not 1, 2, 3"),
        (document(attribute("00100020", "LO", '<Value number="1">1</Value><Item number="1"/>')), "mixes"),
        (document(attribute("00100020", "LO", '<Item number="1"/>')), "holds 'Item'"),
        (document(attribute("00081115", "SQ", '<Value number="1">1</Value>')), "holds 'Value'"),
        (document(attribute("00100020", "LO", "") + attribute("00100020", "LO", "<Value>1</Value>")), "twice"),
        (("<a>" * 300).encode(), "over 200 levels"),
    ],
)
def test_wrong_or_hostile_xml_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        xml.to_json(data)
