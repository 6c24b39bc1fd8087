"""Query strings of searches to domain queries (PS3.18 8.3.4 and 10.6.1.2).  Nothing is ignored in silence."""

import binascii
from base64 import b64decode
from typing import NamedTuple

from pacs.dicom.names import nearest, path_of
from pacs.domain.attributes import STANDARD, Attribute, Catalogue, QueryLevel
from pacs.domain.errors import BadRequest
from pacs.domain.matching import Rules, combined, condition
from pacs.domain.query import Condition, Query

Pairs = list[tuple[str, str]]
RECORD_KEY, PRIOR_KEY, MOST_RECORDS = "0008041B", "0008041C", "00080429"
_SINGLE = ("limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching", "charset")
_RESERVED = (*_SINGLE, "includefield", "accept")
_FIELDS = 1000


class Limits(NamedTuple):
    """What the server sets: most rows of an answer, known attributes, whether a key that cannot be matched is an error."""

    most: int = 5000
    catalogue: Catalogue = STANDARD
    strict: bool = True


class Parsed(NamedTuple):
    """A query, and the names of the keys that are not matched (only where the server is not strict)."""

    query: Query
    unmatched: tuple[str, ...] = ()


def parse(pairs: Pairs, level: QueryLevel, study: str | None, series: str | None, limits: Limits) -> Parsed:
    """The query of a search URL; BadRequest names the parameter that is wrong."""
    for name, value in pairs:
        if "\ufffd" in name or "\ufffd" in value:
            raise BadRequest(f"{name[:70]!r}: the query is not UTF-8")
        if "\0" in value:
            raise BadRequest(f"{name[:70]!r}: no value holds a NUL character")
    given = _once(pairs)
    rules = Rules(*(_flag(given.get(name, ""), name) for name in _SINGLE[2:5]))
    if given.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise BadRequest("charset: answers are utf-8")
    keys = _Keys(level, rules, limits)
    for name, value in pairs:
        if name not in _RESERVED:
            keys.add(name, value)
    found = combined(keys.found, keys.given)
    found = _agree(_agree(found, "StudyInstanceUID", study), "SeriesInstanceUID", series)
    fields, everything, record_keys = _fields([value for name, value in pairs if name == "includefield"], limits.catalogue)
    most = min(limits.most, keys.most or limits.most)
    query = Query(
        level, tuple(found), study, series,
        limit=min(_whole(given["limit"], "limit", 0), most) if "limit" in given else most,
        offset=_whole(given["offset"], "offset", 0) if "offset" in given else 0,
        include=frozenset(fields | keys.include), include_all=everything,
        after=keys.after, keys=record_keys or keys.records or bool(keys.after),
    )  # fmt: skip
    return Parsed(query, tuple(keys.unmatched))


def _whole(text: str, name: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= least):
        raise BadRequest(f"{name}={text[:60]!r}: a whole number from {least} on is wanted")
    return int(text)


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false", ""):
        raise BadRequest(f"{name}={text[:60]!r}: true or false is wanted")
    return text.lower() == "true"


def _once(pairs: Pairs) -> dict[str, str]:
    """The parameters that are no attributes and may be there once."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(f"{name} is given more than once")
        if name in _SINGLE:
            found[name] = value
    return found


def unknown(name: str, what: str, catalogue: Catalogue) -> BadRequest:
    """The error for a name that is neither a keyword nor a tag, with the keyword it may have been meant for."""
    like = nearest(name, tuple(one.keyword for one in catalogue.attributes) + _RESERVED) or nearest(name)
    hint = f"; did you mean {like}?" if like and like != name else ""
    return BadRequest(f"{what} {name[:70]!r} is neither a keyword nor a tag of an attribute{hint}")


def _known(name: str, catalogue: Catalogue) -> Attribute | None:
    """By keyword, tag or path of either."""
    found = catalogue.find(name)
    if found is None and name.strip(".") == name:
        path = path_of(name)
        found = catalogue.find(path) if path else None
    return found


class _Keys:
    """The matching keys, one after the other."""

    def __init__(self, level: QueryLevel, rules: Rules, limits: Limits) -> None:
        self._level, self._rules, self._limits = level, rules, limits
        self.found: list[Condition] = []
        self.given: dict[str, str] = {}
        self.include: set[str] = set()
        self.unmatched: list[str] = []
        self.after = b""
        self.records = False
        self.most = 0

    def add(self, name: str, value: str) -> None:
        attribute = _known(name, self._limits.catalogue)
        tag = attribute.tag if attribute else path_of(name)
        if tag is None:
            raise unknown(name, "query parameter", self._limits.catalogue)
        if tag in self.given:
            raise BadRequest(f"{attribute.keyword if attribute else name} is given more than once")
        self.given[tag] = value
        if tag in (RECORD_KEY, PRIOR_KEY, MOST_RECORDS):
            self._paging(tag, value)
        elif attribute is None or not attribute.column:
            self._unsearchable(name[:70], tag, value)
        else:
            self._match(attribute, value)

    def _match(self, attribute: Attribute, value: str) -> None:
        """A key of this level or above is answered too (10.6.3.3); one below only chooses."""
        if attribute.level <= self._level:
            self.include.add(attribute.tag)
        one = condition(attribute, value, self._rules)
        if one is not None:
            self.found.append(one)

    def _unsearchable(self, name: str, tag: str, value: str) -> None:
        """Without a value it only asks to be answered (universal matching, PS3.4 C.2.2.2.3)."""
        if value.strip().strip("*"):
            if self._limits.strict:
                raise BadRequest(f"{name} is not searchable here")
            self.unmatched.append(name)
        self.include.add(tag)

    def _paging(self, tag: str, value: str) -> None:
        """Paging by Record Key (PS3.4 C.6.4.1, PS3.18 10.6.3.3)."""
        if tag == MOST_RECORDS:
            self.most = _whole(value, "MaximumNumberOfRecords", 1)
        elif tag == RECORD_KEY:
            if value.strip("*"):
                raise BadRequest("RecordKey has no value in a request; PriorRecordKey continues after a record")
            self.records = True
        else:
            self.after = _record_key(value)


def _record_key(text: str) -> bytes:
    """A key out of base64, plain or of URLs; a plus sign in a query string may have become a space."""
    plain = text.strip().replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        found = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise BadRequest("PriorRecordKey: not a RecordKey this server gave (base64)")
    return found


def _fields(values: list[str], catalogue: Catalogue) -> tuple[set[str], bool, bool]:
    """``includefield``: tags and paths, whether all, whether the record keys (PS3.18 8.3.4.3)."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if len(names) > _FIELDS:
        raise BadRequest(f"includefield: more than {_FIELDS} attributes")
    found: set[str] = set()
    for name in names:
        if name.lower() == "all":
            continue
        attribute = _known(name, catalogue)
        tag = attribute.tag if attribute else path_of(name)
        if tag is None:
            raise unknown(name, "includefield", catalogue)
        found.add(tag)
    return found - {RECORD_KEY}, any(name.lower() == "all" for name in names), RECORD_KEY in found


def _agree(conditions: list[Condition], keyword: str, uid: str | None) -> list[Condition]:
    """Without the conditions the path makes already; BadRequest when they differ from it."""
    same = [c for c in conditions if uid is not None and c.attribute.keyword == keyword]
    if any(uid not in c.values for c in same):
        raise BadRequest(f"{keyword} in the query differs from the one in the path")
    return [c for c in conditions if c not in same]


def warnings(remaining: int, unmatched: tuple[str, ...] = (), pending: tuple[str, ...] = ()) -> str:
    """The Warning header (PS3.18 8.3.4.4; RFC 7234 5.5), "" for none."""
    told = []
    if remaining > 0:
        told.append(f"There are {remaining} additional results that can be requested")
    told += [f"The key {name} is not searchable here and was not matched" for name in unmatched]
    told += [f"The index of {name} is not complete yet: there may be more results" for name in pending]
    return ", ".join(f'299 static-dicomweb "{text}"' for text in told)
