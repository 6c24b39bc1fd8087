"""Conditions as forms: what a statement looks like, apart from the values bound to it.

Queries of one shape share one statement, which is built and planned once.
"""

from typing import NamedTuple

from pacs.domain.query import VALUES, Attribute, Condition, Query, QueryLevel
from pacs.domain.values import is_number
from pacs.repository.codec import integer

Value = str | int | None


class Form(NamedTuple):
    """A condition without its values.

    ``kind``: ``in`` (so many ``values``), ``all``, ``like`` (a pattern), ``prefix`` (first and first after),
    ``words`` (``values`` prefixes), ``range`` and ``moments`` (``ends``: which are there), ``empty``.
    """

    attribute: Attribute
    kind: str
    values: int = 1
    ends: tuple[bool, ...] = ()
    time: Attribute | None = None

    @property
    def bound(self) -> int:
        """How many values it takes."""
        return {"like": 1, "prefix": 2, "words": 2 * self.values}.get(self.kind, self.values)


class Shape(NamedTuple):
    """A query without its values."""

    level: QueryLevel
    study: bool
    series: bool
    forms: tuple[Form, ...]
    after: bool
    json: tuple[bool, ...]
    extra: tuple[bool, ...]


def shape_of(query: Query) -> tuple[Shape, list[Value]]:
    """The shape, and the values of its conditions in order."""
    forms: list[Form] = []
    values: list[Value] = []
    for one in query.conditions:
        form, bound = _form(one)
        forms.append(form)
        values += bound
    needs = [query.needs(level) for level in QueryLevel if level <= query.level]
    shape = Shape(
        query.level, query.study is not None, query.series is not None, tuple(forms), bool(query.after),
        tuple(json for json, _ in needs), tuple(extra for _, extra in needs),
    )  # fmt: skip
    return shape, values


def is_integer(attribute: Attribute) -> bool:
    """Whether the column of the attribute is a number."""
    return is_number(attribute.vr) and attribute.column != VALUES


def _form(one: Condition) -> tuple[Form, list[Value]]:
    a = one.attribute
    if one.kind in ("equals", "list", "all"):
        return _listed(one)
    if one.kind == "wildcard":
        return _wildcard(a, one.values[0])
    if one.kind == "words":
        return Form(a, "words", len(one.values)), [end for word in one.values for end in _prefix(word)]
    if one.kind == "empty":
        return Form(a, "empty", 0), []
    bound = [_value(a, value) for value in one.values if value]
    return Form(a, one.kind, len(bound), tuple(map(bool, one.values)), one.time), bound


def _value(a: Attribute, value: str) -> Value:
    return integer(value) if is_integer(a) else value


def _listed(one: Condition) -> tuple[Form, list[Value]]:
    """A list is filled up to a power of two with its last value, so that few lengths need a statement."""
    bound = [_value(one.attribute, value) for value in one.values]
    if one.kind == "all":
        return Form(one.attribute, "all", len(bound)), bound
    count = 1 << (len(bound) - 1).bit_length()
    return Form(one.attribute, "in", count), bound + bound[-1:] * (count - len(bound))


def _wildcard(a: Attribute, pattern: str) -> tuple[Form, list[Value]]:
    body = pattern.rstrip("*")
    if body != pattern and body and not set(body) & {"*", "?"}:
        return Form(a, "prefix"), list(_prefix(body))
    return Form(a, "like"), [like(pattern)]


_LAST = 0x10FFFF


def _prefix(text: str) -> tuple[str, str]:
    """The first string with the prefix, and the first after all of them."""
    bare = text.rstrip(chr(_LAST))
    if not bare:
        return text, chr(_LAST) * (len(text) + 8)
    last = ord(bare[-1]) + 1
    return text, bare[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else last)


def like(pattern: str) -> str:
    """The LIKE pattern of one with ``*`` and ``?``; escapes by ``!`` what SQL means something by."""
    escaped = pattern.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%").replace("?", "_")
