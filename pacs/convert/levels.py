"""What the index keeps of the study, the series and the instance a file belongs to, by the table of attributes."""

from collections.abc import Iterator
from typing import Any

import orjson

from pacs.dicom.json import member, members
from pacs.dicom.reader import DicomFile
from pacs.domain.attributes import STANDARD, VALUES, Attribute, Catalogue, QueryLevel
from pacs.domain.model import Level
from pacs.domain.values import indexed, name_values

_LONGEST, _LONGEST_EXTRA = 65536, 4096
_CHARACTER_SET = 0x00080005
_BY_THE_INDEX = frozenset(("modalities", "sop_class", "sop_classes", "series_count", "instance_count", "uid"))
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
Pairs = tuple[tuple[int, str], ...]


class Levels:
    """Describes the levels of files.  What the instances of a series repeat is found again by its bytes, not read anew."""

    def __init__(self, catalogue: Catalogue = STANDARD, most: int = 512) -> None:
        self._plans = {level: _Plan(catalogue, level) for level in QueryLevel}
        self._known: dict[tuple[object, ...], Level] = {}
        self._most = most

    def of(self, file: DicomFile, level: QueryLevel) -> Level:
        """Members of the answer, those on request, search columns and further values of one level."""
        plan = self._plans[level]
        if level == QueryLevel.INSTANCE or plan.private:
            return _level(file, plan)
        mark = _mark(file, level, plan)
        found = self._known.get(mark) if mark is not None else None
        if found is None:
            found = _level(file, plan)
            if mark is not None:
                if len(self._known) >= self._most:
                    self._known.clear()
                self._known[mark] = found
        return found


def _mark(file: DicomFile, level: QueryLevel, plan: "_Plan") -> tuple[object, ...] | None:
    """All that the level is made of; None when that is too much to keep."""
    mark: list[object] = [level, file.little]
    for tag in plan.tags:
        element = file.find(tag)
        if element is None:
            mark.append(None)
        elif element.end - element.start > _LONGEST_EXTRA:
            return None
        else:
            mark += [element.vr, bytes(file.buffer[element.start : element.end])]
    return tuple(mark)


def _level(file: DicomFile, plan: "_Plan") -> Level:
    ready = [_ready(file, a) for a in plan.default]
    extra = {a.tag: got for a in plan.asked if (got := _short(file, a, _LONGEST_EXTRA))}
    keys: dict[str, str | int | None] = {a.column: _key(file, a) for a in plan.columns}
    values: dict[str, Pairs] = {}
    for a in plan.names:
        values |= name_values(a.tag, str(keys[a.column] or ""))
    for a in plan.apart:
        _add_apart(file, a, extra, values)
    return Level(b",\n".join(one for one in ready if one), extra, keys, values)


class _Plan:
    """The attributes of a level by what is done with them."""

    def __init__(self, catalogue: Catalogue, level: QueryLevel) -> None:
        own = [a for a in catalogue.attributes if a.level == level]
        self.default = tuple(a for a in own if a.answer in "RC")
        self.asked = tuple(a for a in own if a.answer == "A" and a.column != VALUES)
        self.columns = tuple(a for a in own if a.column and a.column != VALUES and a.column not in _BY_THE_INDEX)
        self.names = tuple(a for a in self.columns if a.vr == "PN")
        self.apart = tuple(a for a in own if a.column == VALUES)
        self.private = any(a.creator for a in own)
        self.tags = (_CHARACTER_SET, *dict.fromkeys(int(a.tag.partition(".")[0], 16) for a in own if a.answer in "RCAK"))


def _short(file: DicomFile, a: Attribute, most: int) -> bytes | None:
    """The member of an attribute, unless it is too long for a list of records."""
    tag = int(a.tag, 16)
    element = file.find(tag)
    return member(file, tag) if element is not None and element.end - element.start <= most else None


def _ready(file: DicomFile, a: Attribute) -> bytes:
    got = _short(file, a, _LONGEST)
    if got is None:
        return b'"%s":{"vr":"%s"}' % (a.tag.encode(), a.vr.encode()) if a.answer == "R" else b""
    return got


def _key(file: DicomFile, a: Attribute) -> str | int | None:
    tag = int(a.tag, 16)
    if a.vr == "IS":
        return _int32(file.integer(tag))
    element = file.find(tag)
    text = file.text(tag) if element is not None and element.length <= _LONGEST else ""
    return indexed(a.vr, text if a.vr == "PN" else text.partition("\\")[0])


def _int32(value: int | None) -> int | None:
    """IS is a 32 bit integer (PS3.5 6.2); what is not must not upset a database column."""
    return value if value is not None and -(2**31) <= value < 2**31 else None


# values without a column


def apart(file: DicomFile, a: Attribute) -> tuple[bytes, dict[str, Pairs]]:
    """The member of an attribute kept apart (with its private creator's), and its values by path."""
    got = _found(file, a)
    if got is None:
        return b"", {}
    creator, ready = got
    found = tuple(dict.fromkeys(_values(ready, a)))
    values = {a.tag: found} if found else {}
    if a.vr == "PN":
        for _, name in found:
            for path, pairs in name_values(a.tag, name).items():
                values[path] = values.get(path, ()) + pairs
    return creator + ready, values


def _add_apart(file: DicomFile, a: Attribute, extra: dict[str, bytes], values: dict[str, Pairs]) -> None:
    ready, found = apart(file, a)
    values |= found
    if ready and a.answer == "A":
        extra[a.tag.partition(".")[0]] = ready


def _found(file: DicomFile, a: Attribute) -> tuple[bytes, bytes] | None:
    """The member (creator's before it) of the outermost element; a private one under the block the configuration names."""
    tag = int(a.tag.partition(".")[0], 16)
    if not a.creator:
        found = file.find(tag)
        got = member(file, tag) if found is not None and found.end - found.start <= _LONGEST else None
        return (b"", got) if got else None
    block = _block(file, tag >> 16, a.creator)
    element = file.find((tag & 0xFFFF0000) | block << 8 | (tag & 0xFF)) if block else None
    if element is None or element.end - element.start > _LONGEST:
        return None
    if element.vr == "UN" and "." not in a.tag:
        element = element._replace(vr=a.vr)
    made = members(file, [element], file.charset, None)
    if not made:
        return None
    creator = b'"%08X":{"vr":"LO","Value":[%s]},\n' % ((tag & 0xFFFF0000) | (tag >> 8 & 0xFF), orjson.dumps(a.creator))
    return creator, b'"%08X"' % tag + made[0][1][10:]


def _block(file: DicomFile, group: int, creator: str) -> int:
    """The block a private creator reserved in the file, 0 when there is none (PS3.5 7.8.1)."""
    for block in range(0x10, 0x100):
        tag = group << 16 | block
        if file.find(tag) is not None and file.text(tag) == creator:
            return block
    return 0


def _values(ready: bytes, a: Attribute) -> Iterator[tuple[int, str]]:
    tags = a.tag.split(".")
    element = orjson.loads(b"{" + ready + b"}")[tags[0]]
    if len(tags) == 1:
        yield from ((0, text) for text in _texts(element, a.vr))
        return
    for number, item in enumerate(element.get("Value") or []):
        yield from ((number, text) for text in _inside(item, tags[1:], a.vr))


def _inside(item: Any, tags: list[str], vr: str) -> Iterator[str]:
    element = item.get(tags[0]) if isinstance(item, dict) else None
    if element is None:
        return
    if len(tags) == 1:
        yield from _texts(element, vr)
        return
    for inner in element.get("Value") or []:
        yield from _inside(inner, tags[1:], vr)


def _texts(element: dict[str, Any], vr: str) -> Iterator[str]:
    """The values of a JSON attribute as the index compares them."""
    for value in element.get("Value") or []:
        if isinstance(value, dict):
            value = "=".join(value.get(group, "") for group in _GROUPS)
        text = indexed(vr, str(value)) if value is not None else None
        if text:
            yield text
