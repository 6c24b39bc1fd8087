"""Query strings of searches to domain queries (PS3.18 8.3.4 and 10.6)."""

import re
from collections.abc import Callable
from datetime import datetime

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from pacs.domain.errors import BadRequest
from pacs.domain.query import BY_NAME, Attribute, Condition, Query, QueryLevel, fold
from pacs.domain.uid import is_uid

Pairs = list[tuple[str, str]]
_HEX = re.compile(r"[0-9A-Fa-f]{8}\Z")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?\Z")
_LATEST = "235959.999999"
_RESERVED = ("limit", "offset", "fuzzymatching", "includefield", "accept")
_OFF = ("emptyvaluematching", "multiplevaluematching")
_LISTS = re.compile(r"[,\\]")


def _whole(text: str, name: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= least):
        raise BadRequest(f"{name}={text[:60]!r}: a whole number from {least} on is wanted")
    return int(text)


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false", ""):
        raise BadRequest(f"{name}={text[:60]!r}: true or false is wanted")
    return text.lower() == "true"


def _tag(name: str) -> str | None:
    """The tag of a keyword or of eight hex digits; None when there is no such thing."""
    if _HEX.match(name):
        tag = int(name, 16)
        known = (tag >> 16) % 2 == 1 or dictionary_has_tag(tag)
        return name.upper() if known else None
    found = tag_for_keyword(name)
    return None if found is None else f"{found:08X}"


def _path(name: str) -> str | None:
    """The first tag of ``Sequence.Attribute``; every member has to be known."""
    tags = [_tag(piece) for piece in name.split(".")]
    return None if None in tags else tags[0]


def _include(values: list[str]) -> tuple[frozenset[str], bool]:
    """``includefield``: tags and whether all (PS3.18 8.3.4.3)."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    tags = set()
    for name in names:
        if name.lower() == "all":
            continue
        tag = _path(name)
        if tag is None:
            raise BadRequest(f"includefield {name[:70]!r} is neither a keyword nor a tag")
        tags.add(tag)
    return frozenset(tags), any(name.lower() == "all" for name in names)


def attribute(name: str, level: QueryLevel) -> Attribute:
    """The searchable attribute of a keyword or tag, at this level or above."""
    found = BY_NAME.get(name.upper() if _HEX.match(name) else name)
    if found is None and _path(name) is None:
        raise BadRequest(f"unknown query parameter {name[:70]!r}")
    if found is None:
        raise BadRequest(f"{name[:70]} is not searchable")
    if found.level > level:
        raise BadRequest(f"{name} is not searchable at {level.name.lower()} level")
    return found


def _date(text: str, name: str) -> str:
    try:
        if len(text) != 8 or not text.isdigit():
            raise ValueError
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        raise BadRequest(f"{name}: {text[:60]!r} is not a date (YYYYMMDD)") from None
    return text


def _time(text: str, name: str) -> str:
    if not _TIME.match(text):
        raise BadRequest(f"{name}: {text[:60]!r} is not a time (HHMMSS.FFFFFF)")
    return text


def _until(text: str) -> str:
    """The last moment a partial time covers."""
    if "." in text:
        return text
    return text + (_LATEST[len(text) :] if len(text) < 6 else ".999999")


def _span(text: str, name: str, check: Callable[[str, str], str]) -> tuple[str, str]:
    low, _, high = (piece.strip() for piece in text.partition("-"))
    if not low and not high:
        raise BadRequest(f"{name}: {text[:60]!r} is not a range")
    return (low and check(low, name), high and check(high, name))


def _dates(a: Attribute, text: str, fuzzy: bool) -> Condition:
    """DA: single value or range (PS3.4 C.2.2.2.5)."""
    if "-" not in text:
        return Condition(a, "equals", (_date(text, a.keyword),))
    low, high = _span(text, a.keyword, _date)
    if low and high and low > high:
        raise BadRequest(f"{a.keyword}: {text!r} ends before it starts")
    return Condition(a, "range", (low, high))


def _times(a: Attribute, text: str, fuzzy: bool) -> Condition:
    """TM: a time covers all moments within its precision."""
    if "-" in text:
        low, high = _span(text, a.keyword, _time)
        return Condition(a, "range", (low, high and _until(high)))
    _time(text, a.keyword)
    return Condition(a, "equals", (text,)) if "." in text else Condition(a, "range", (text, _until(text)))


def _uid_list(a: Attribute, text: str, fuzzy: bool) -> Condition:
    """UI: list of UIDs, by comma or backslash (PS3.18 8.3.4.1)."""
    values = tuple(piece.strip() for piece in _LISTS.split(text) if piece.strip())
    for value in values:
        if not is_uid(value):
            raise BadRequest(f"{a.keyword}: {value[:70]!r} is not a UID")
    return Condition(a, "equals" if len(values) == 1 else "list", values)


def _integer(a: Attribute, text: str, fuzzy: bool) -> Condition:
    try:
        return Condition(a, "equals", (str(int(text[:13])),))
    except ValueError:
        raise BadRequest(f"{a.keyword}: {text[:60]!r} is not a whole number") from None


def _text(a: Attribute, text: str, fuzzy: bool) -> Condition:
    return Condition(a, "wildcard" if "*" in text or "?" in text else "equals", (text,))


def _code(a: Attribute, text: str, fuzzy: bool) -> Condition:
    """CS: as text, or a list by comma or backslash, neither of which a code may hold."""
    values = tuple(piece.strip() for piece in _LISTS.split(text) if piece.strip())
    return Condition(a, "list", values) if len(values) > 1 else _text(a, text, fuzzy)


def _name(a: Attribute, text: str, fuzzy: bool) -> Condition:
    """PN: folded; fuzzy is word by word (PS3.18 8.3.4.2)."""
    folded = fold(text)
    words = tuple(word.rstrip("*") for word in re.split(r"[\s^=,]+", folded) if word.rstrip("*"))
    if fuzzy and words and not any("*" in word or "?" in word for word in words):
        return Condition(a, "words", words)
    return _text(a, folded, fuzzy)


_BY_VR: dict[str, Callable[[Attribute, str, bool], Condition]] = {
    "DA": _dates,
    "TM": _times,
    "UI": _uid_list,
    "IS": _integer,
    "PN": _name,
    "CS": _code,
}


def condition(a: Attribute, text: str, fuzzy: bool = False) -> Condition | None:
    """The condition of one key; None for universal matching."""
    text = text.strip()
    if not text.strip('"*,\\ '):
        return None
    return _BY_VR.get(a.vr, _text)(a, text, fuzzy)


def _conditions(keys: Pairs, level: QueryLevel, fuzzy: bool) -> list[Condition]:
    seen: set[str] = set()
    found = []
    for name, value in keys:
        wanted = attribute(name, level)
        if wanted.tag in seen:
            raise BadRequest(f"{wanted.keyword} is given more than once")
        seen.add(wanted.tag)
        one = condition(wanted, value, fuzzy)
        if one is not None:
            found.append(one)
    return found


def _agree(conditions: list[Condition], keyword: str, uid: str | None) -> list[Condition]:
    """Without the conditions the path makes already; BadRequest when they differ from it."""
    same = [c for c in conditions if uid is not None and c.attribute.keyword == keyword]
    if any(uid not in c.values for c in same):
        raise BadRequest(f"{keyword} in the query differs from the one in the path")
    return [c for c in conditions if c not in same]


def _single(pairs: Pairs) -> dict[str, str]:
    """The parameters that are no attributes and may be there once."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in (*_RESERVED, *_OFF) or name in ("includefield", "accept"):
            continue
        if name in found:
            raise BadRequest(f"{name} is given more than once")
        found[name] = value
    for name in _OFF:
        if name in found and _flag(found[name], name):
            raise BadRequest(f"{name} is not supported")
    return found


def parse_query(pairs: Pairs, level: QueryLevel, study: str | None, series: str | None, most: int) -> Query:
    """The query of a search URL."""
    given = _single(pairs)
    keys = [(name, value) for name, value in pairs if name not in (*_RESERVED, *_OFF)]
    found = _conditions(keys, level, _flag(given.get("fuzzymatching", ""), "fuzzymatching"))
    found = _agree(_agree(found, "StudyInstanceUID", study), "SeriesInstanceUID", series)
    include, everything = _include([value for name, value in pairs if name == "includefield"])
    limit = min(_whole(given["limit"], "limit", 1), most) if "limit" in given else most
    offset = _whole(given["offset"], "offset", 0) if "offset" in given else 0
    return Query(level, tuple(found), study, series, limit, offset, include, everything)


def warning(remaining: int) -> str | None:
    """The Warning header when more matches are there (PS3.18 8.3.4.4)."""
    if remaining <= 0:
        return None
    return f'299 static-dicomweb "There are {remaining} additional results that can be requested"'
