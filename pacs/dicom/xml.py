"""DICOM JSON members to the Native DICOM Model in XML and back (PS3.19 A.1; PS3.18 Annex F.3 names the pairs).

Both ways are total for what the other writes.  Untrusted XML is read without a document type, so that no entity is ever
expanded, and within bounds of depth and count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from pacs.domain.errors import Refused

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
DEPTH: Final = 200
ELEMENTS: Final = 2_000_000
_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}\Z")
_VR: Final = re.compile(r"[A-Z]{2}\Z")
_DECIMALS: Final = frozenset(("DS", "FD", "FL"))
_NUMBERS: Final = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV")) | _DECIMALS
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}\Z")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")


def from_json(members: Mapping[str, Any]) -> bytes:
    """One data set as an XML document in UTF-8.

    ``members``: the DICOM JSON object of an instance (PS3.18 F.2), as parsed.  Characters XML 1.0 cannot hold become
    U+FFFD.
    """
    return "".join([_HEAD, *_attributes(members), "</NativeDicomModel>"]).encode("utf-8")


def to_json(data: bytes) -> dict[str, Any]:
    """The DICOM JSON members of one data set in XML; :class:`Refused` for anything else, document types included."""
    root = _parse(data)
    if _name(root) != "NativeDicomModel":
        raise Refused(f"the XML is a {_name(root)[:40]!r}, a NativeDicomModel is wanted (PS3.19 A.1)")
    return _data_set(root)


def _attributes(members: Mapping[str, Any]) -> Iterator[str]:
    for name, member in sorted(members.items()):
        vr = str(member.get("vr", "UN"))
        creator = _creator(members, name)
        keyword = keyword_for_tag(int(name, 16))
        yield f'<DicomAttribute tag="{name}" vr={_quoted(vr)}'
        yield f" keyword={_quoted(keyword)}" if keyword else ""
        yield f" privateCreator={_quoted(creator)}" if creator else ""
        yield ">"
        yield from _content(vr, member)
        yield "</DicomAttribute>"


def _creator(members: Mapping[str, Any], name: str) -> str | None:
    """The private creator of an element of a private block; None where the element is not of one (PS3.5 7.8.1)."""
    if not int(name[:4], 16) % 2 or name[4:6] == "00":
        return None
    found = (members.get(f"{name[:4]}00{name[4:6]}") or {}).get("Value")
    return str(found[0]) if found else ""


def _content(vr: str, member: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in member:
        yield f"<BulkData uri={_quoted(str(member['BulkDataURI']))}/>"
    elif "InlineBinary" in member:
        yield f"<InlineBinary>{_text(str(member['InlineBinary']))}</InlineBinary>"
    for number, value in enumerate(member.get("Value", ()), 1):
        if vr == "SQ":
            yield "".join([f'<Item number="{number}">', *_attributes(value or {}), "</Item>"])
        elif value is None:
            continue
        elif vr == "PN":
            yield "".join([f'<PersonName number="{number}">', *_person(value), "</PersonName>"])
        else:
            yield f'<Value number="{number}">{_text(str(value))}</Value>'


def _person(value: Any) -> Iterator[str]:
    groups = value if isinstance(value, Mapping) else {"Alphabetic": str(value)}
    for group in _GROUPS:
        if text := groups.get(group):
            parts = [
                f"<{name}>{_text(part)}</{name}>"
                for name, part in zip(_COMPONENTS, text.split("^", 4), strict=False)
                if part
            ]
            yield f"<{group}>{''.join(parts)}</{group}>"


def _text(text: str) -> str:
    """Escaped; a carriage return by its number, else a parser would read it as a line feed."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {"\r": "&#13;"})


def _quoted(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", text))


def _parse(data: bytes) -> Element:
    builder = TreeBuilder()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEPTH or count > ELEMENTS:
            raise Refused(f"the XML goes over {DEPTH} levels or {ELEMENTS} elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def doctype(*_: object) -> None:
        raise Refused("the XML has a document type declaration, which is not taken")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as fault:
        raise Refused(f"not well-formed XML: {fault}") from None
    root: Element = builder.close()
    return root


def _name(element: Element) -> str:
    """The local name; documents without the namespace are about as well."""
    return element.tag.rpartition("}")[2]


def _data_set(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in element:
        if _name(child) != "DicomAttribute":
            raise Refused(f"{_name(child)[:40]!r} in the XML, a DicomAttribute is wanted")
        tag, vr = child.get("tag", ""), child.get("vr", "UN")
        if not _TAG.match(tag) or not _VR.match(vr):
            raise Refused(f"a DicomAttribute with tag {tag[:20]!r} and vr {vr[:20]!r}")
        name = _private(found, tag.upper(), child.get("privateCreator", ""))
        member = _member(vr, child)
        if found.setdefault(name, member) != member:
            raise Refused(f"the attribute {name} is in the data set twice")
    return dict(sorted(found.items()))


def _private(found: dict[str, Any], tag: str, creator: str) -> str:
    """The tag in the block of its creator; a block is reserved where the document has none (PS3.5 7.8.1)."""
    group, block, low = tag[:4], tag[4:6], tag[6:]
    if not creator or not int(group, 16) % 2:
        return tag
    blocks = {
        name[6:]: member["Value"][0]
        for name, member in found.items()
        if name.startswith(f"{group}00") and member.get("Value")
    }
    if block != "00" and blocks.get(block, creator) == creator:
        chosen = block
    else:
        known = [number for number, owner in blocks.items() if owner == creator]
        free = (f"{number:02X}" for number in range(0x10, 0x100) if f"{number:02X}" not in blocks)
        chosen = known[0] if known else next(free, "")
    if not chosen:
        raise Refused(f"group {group} has no private block left for {creator[:40]!r}")
    found.setdefault(f"{group}00{chosen}", {"vr": "LO", "Value": [creator]})
    return f"{group}{chosen}{low}"


def _member(vr: str, element: Element) -> dict[str, Any]:
    children = list(element)
    kinds = {_name(child) for child in children}
    if not children:
        return {"vr": vr}
    if len(kinds) > 1:
        raise Refused(f"the attribute {element.get('tag')} mixes {', '.join(sorted(kinds))}")
    kind, first = kinds.pop(), children[0]
    if kind == "InlineBinary":
        return {"vr": vr, "InlineBinary": "".join((first.text or "").split())}
    if kind == "BulkData":
        return {"vr": vr, "BulkDataURI": first.get("uri") or first.get("uuid") or ""}
    readers: dict[str, Callable[[Element], Any]] = {
        "Item": _data_set,
        "PersonName": _names,
        "Value": lambda one: _value(vr, one.text or ""),
    }
    if kind not in readers or (kind == "Item") != (vr == "SQ") or (kind == "PersonName") != (vr == "PN"):
        raise Refused(f"the attribute {element.get('tag')} of VR {vr} holds {kind[:40]!r}")
    return {"vr": vr, "Value": _numbered(children, [readers[kind](child) for child in children], vr == "SQ")}


def _numbered(children: Sequence[Element], values: list[Any], items: bool) -> list[Any]:
    """The values in the order of their numbers; a number left out is an empty value."""
    places = [child.get("number", str(at)) for at, child in enumerate(children, 1)]
    if not all(place.isascii() and place.isdigit() and 0 < len(place) < 9 for place in places):
        raise Refused("a value's number is not a number")
    order = [int(place) for place in places]
    most = max(order)
    if min(order) < 1 or most > 2 * len(values) + 1000 or len(set(order)) < len(order):
        raise Refused("the numbers of an attribute's values are not 1, 2, 3 ...")
    found: list[Any] = [{} if items else None] * most
    for place, value in zip(order, values, strict=True):
        found[place - 1] = value
    return found


def _names(element: Element) -> dict[str, str] | None:
    found = {}
    for group in element:
        parts = {_name(part): part.text or "" for part in group}
        text = "^".join(parts.get(name, "") for name in _COMPONENTS).rstrip("^")
        if text and _name(group) in _GROUPS:
            found[_name(group)] = text
    return found or None


def _value(vr: str, text: str) -> Any:
    """A number where the VR is of numbers and the text is one; else the text (PS3.18 F.2.3)."""
    bare = text.strip()
    if vr in _NUMBERS and _INTEGER.match(bare):
        return int(bare)
    if vr in _DECIMALS and _DECIMAL.match(bare) and math.isfinite(number := float(bare)):
        return number
    return text
