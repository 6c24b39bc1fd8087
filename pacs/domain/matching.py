"""The text of a matching key as a condition, by its VR (PS3.4 C.2.2.2; PS3.18 8.3.4.1 and 8.3.4.5 to 8.3.4.6)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pacs.domain import values
from pacs.domain.attributes import VALUES, Attribute
from pacs.domain.errors import BadRequest
from pacs.domain.query import Condition
from pacs.domain.uid import is_uid

_LISTS = re.compile(r"[,\\]")
_EMPTY = '""'
_MULTIPLE = frozenset(("AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"))
_WILD = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
MOST, FEW = 1000, 32
"""Values of a list of which any, or all, have to match."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is matched how: ``fuzzy`` person names, ``empty`` values by ``""``, ``multiple`` values that must all be there."""

    fuzzy: bool = False
    empty: bool = False
    multiple: bool = False


PLAIN = Rules()


def condition(a: Attribute, text: str, rules: Rules = PLAIN) -> Condition | None:
    """The condition of one key; None for universal matching.  BadRequest names the key and what is wrong with it."""
    text = text.strip()
    if not text.strip("*") or (a.vr == "UI" and not text.strip(",\\ ")):
        return None
    if text == _EMPTY:
        if rules.empty:
            return Condition(a, "empty", ())
        raise BadRequest(f'{a.keyword}: "" finds what is empty only with emptyvaluematching=true')
    if a.vr == "PN":
        return _names(a, text, rules)
    return _BY_VR.get(a.vr, _texts)(a, text, rules)


def _fault(a: Attribute, text: str, wanted: str) -> BadRequest:
    return BadRequest(f"{a.keyword}: {text[:60]!r} is not {wanted}")


def _backwards(a: Attribute, text: str) -> BadRequest:
    return BadRequest(f"{a.keyword}: {text[:60]!r} ends before it starts")


def _split(a: Attribute, text: str, pattern: str) -> list[str]:
    pieces = [piece.strip() for piece in re.split(pattern, text) if piece.strip()]
    if len(pieces) > MOST:
        raise BadRequest(f"{a.keyword}: a list of more than {MOST} values")
    if not pieces:
        raise _fault(a, text, "a value")
    return pieces


def _any(a: Attribute, found: list[str], rules: Rules) -> Condition:
    """One value, or a list of them: any has to match, with ``multiple`` each (PS3.4 C.2.2.2.8)."""
    if len(found) == 1:
        return Condition(a, "equals", (found[0],))
    every = rules.multiple and a.multiple and a.vr in _MULTIPLE
    if every:
        _few(a, found)
    return Condition(a, "all" if every else "list", tuple(dict.fromkeys(found)))


def _few(a: Attribute, found: list[str]) -> None:
    """Each of these is looked up by itself."""
    if len(found) > FEW:
        raise BadRequest(f"{a.keyword}: more than {FEW} values that must all be there")


def _uids(a: Attribute, text: str, rules: Rules) -> Condition:
    """UI: one UID or a list of them (C.2.2.2.2)."""
    pieces = _split(a, text, r"[,\\]")
    for piece in pieces:
        if not is_uid(piece):
            raise _fault(a, piece, "a UID")
    return _any(a, pieces, rules)


def _numbers(a: Attribute, text: str, rules: Rules) -> Condition:
    """Numbers are equal by value."""
    found = [(piece, values.number(piece)) for piece in _split(a, text, r"[,\\]")]
    for piece, number in found:
        if number is None or (a.vr not in ("DS", "FL", "FD") and "." in number):
            raise _fault(a, piece, "a whole number" if a.vr not in ("DS", "FL", "FD") else "a number")
    return _any(a, [number for _, number in found if number is not None], rules)


def _texts(a: Attribute, text: str, rules: Rules) -> Condition:
    """Text, exact or by wild cards (C.2.2.2.1, C.2.2.2.4).  A comma parts a list only where no value can hold one."""
    if a.vr in _WILD and ("*" in text or "?" in text):
        return Condition(a, "wildcard", (text[: values.LONGEST],))
    found = _split(a, text, r"[,\\]" if a.vr in ("CS", "AS", "AT") else r"\\")
    return _any(a, [piece[: values.LONGEST] for piece in found], rules)


def _names(a: Attribute, text: str, rules: Rules) -> Condition:
    """PN: folded; fuzzy is word by word (PS3.18 8.3.4.2)."""
    wild = "*" in text or "?" in text
    if rules.fuzzy and not ("*" in text.rstrip("*") or "?" in text):
        found = list(dict.fromkeys(values.words(values.fold(text.rstrip("*")))))
        _few(a, found)
        if found:
            return Condition(a, "words", tuple(found))
    if wild:
        return Condition(a, "wildcard", (values.fold(text)[: values.LONGEST],))
    return _any(a, [values.fold(piece) for piece in _split(a, text, r"\\")], rules)


Normal = Callable[[str, bool], str | None]


def _date(text: str, last: bool) -> str | None:
    return values.date(text)


def _ranged(normal: Normal, wanted: str, cut: Callable[[str], tuple[str, str] | None]) -> Callable[..., Condition]:
    """Range matching (C.2.2.2.5) of a VR: ``normal`` gives the first or last moment of a value."""

    def check(a: Attribute, text: str, last: bool) -> str:
        found = normal(text, last) if text else ""
        if found is None:
            raise _fault(a, text, wanted)
        return found

    def parse(a: Attribute, text: str, rules: Rules) -> Condition:
        span = cut(text)
        if span is None:
            listed = [piece.strip() for piece in _LISTS.split(text) if piece.strip()]
            if len(listed) > 1 and normal is _date:
                return _any(a, [check(a, piece, False) for piece in listed], rules)
            low, high = check(a, text, False), check(a, text, True)
            return Condition(a, "equals", (low,)) if low == high else Condition(a, "range", (low, high))
        low, high = check(a, span[0].strip(), False), check(a, span[1].strip(), True)
        if not low and not high:
            raise _fault(a, text, "a range")
        if low and high and low > high and a.vr != "TM":
            raise _backwards(a, text)
        return Condition(a, "range", (low, high))

    return parse


def _at_dash(text: str) -> tuple[str, str] | None:
    low, dash, high = text.partition("-")
    return (low, high) if dash else None


_OFFSET = r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
_SPAN = re.compile(rf"(\d[\d.]*{_OFFSET})?\s*-\s*(\d[\d.]*{_OFFSET})?\Z")
_ONE = re.compile(rf"\d[\d.]*{_OFFSET}\Z")


def _at_hyphen(text: str) -> tuple[str, str] | None:
    """The ends of a DT range: a hyphen before four digits may be an offset instead (C.2.2.2.5.3)."""
    if _ONE.match(text):
        return None
    found = _SPAN.match(text)
    return (found[1] or "", found[2] or "") if found else None


_BY_VR: dict[str, Callable[[Attribute, str, Rules], Condition]] = {
    "UI": _uids,
    "DA": _ranged(_date, "a date (YYYYMMDD)", _at_dash),
    "TM": _ranged(values.time, "a time (HHMMSS.FFFFFF)", _at_dash),
    "DT": _ranged(values.moment, "a date time (YYYYMMDDHHMMSS.FFFFFF&ZZXX)", _at_hyphen),
    **dict.fromkeys(("IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"), _numbers),
}

_PAIRS = {
    "00080020": "00080030", "00080021": "00080031", "00400244": "00400245", "00080022": "00080032", "00080023": "00080033",
}  # fmt: skip


def combined(found: list[Condition], texts: dict[str, str]) -> list[Condition]:
    """A date range and the range of its time become one span of moments (C.2.2.2.5.1 to .3; PS3.18 8.3.4.1).

    ``texts``: tag -> the key as it was given; a time that is no range stays a condition of its own.  Only on different days may
    times run backwards, else BadRequest.
    """
    by_tag = {one.attribute.tag: one for one in found}
    for day, clock in _PAIRS.items():
        dates, times = by_tag.get(day), by_tag.get(clock)
        if dates is None or times is None or dates.kind != "range" or "-" not in texts.get(clock, ""):
            continue
        if VALUES in (dates.attribute.column, times.attribute.column):
            continue
        joint = (dates.values[0], times.values[0], dates.values[1], times.values[1])
        found = [one for one in found if one not in (dates, times)]
        found.append(Condition(dates.attribute, "moments", joint, times.attribute))
    for one in found:
        if one.kind == "range" and one.attribute.vr == "TM" and all(one.values) and one.values[0] > one.values[1]:
            raise _backwards(one.attribute, texts.get(one.attribute.tag, "-".join(one.values)))
    return found
