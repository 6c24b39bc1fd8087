"""Runs searches (:mod:`pacs.repository.statement`)."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from pacs.domain.errors import BadRequest
from pacs.domain.model import Found, Level, Page
from pacs.domain.query import BY_NAME, Query, QueryLevel
from pacs.repository import codec
from pacs.repository import tables as t
from pacs.repository.forms import shape_of
from pacs.repository.statement import LAST, Search, compiled, order_of, statements

Row = Sequence[Any]
Run = Callable[[str, Any], Sequence[Row]]
_CLASSES = "00080062"
_PART = 500
_S, _R, _I = t.study.c, t.series.c, t.instance.c
_EMPTY = Level(b"")


def search(query: Query, dialect: str, run: Run) -> Page:
    """The page; counts what lies beyond it only when it is full."""
    statement = statements(shape_of(query)[0], dialect)
    bound = bound_of(query)
    rows = run(statement.page.sql, statement.page.bind(bound))
    remaining = 0
    if len(rows) > query.limit:
        [[matches]] = run(statement.total.sql, statement.total.bind(bound))
        remaining = max(matches - query.offset - query.limit, 0)
    found = _records(query, statement, rows[: query.limit])
    if found and query.level == QueryLevel.STUDY and (query.include_all or _CLASSES in query.include):
        found = _with_classes(found, dialect, run)
    return Page(found, remaining, _pending(query, dialect, run))


def bound_of(query: Query) -> dict[str, Any]:
    """What a query binds to its statements."""
    shape, values = shape_of(query)
    bound: dict[str, Any] = {f"p{n}": value for n, value in enumerate(values)}
    bound |= {"study": query.study, "series": query.series, "limit": query.limit + 1, "offset": query.offset}
    if query.after:
        marks = _marks(query)[-len(order_of(shape)) :]
        bound |= {f"after{n}": mark for n, mark in enumerate(marks)}
    return bound


def _marks(query: Query) -> list[Any]:
    """The order's values of the record that the key names (PS3.4 C.6.4.5.3)."""
    kinds = ((str, int), (int, str), (int, str, int))
    wanted = [kind for level in kinds[: query.level] for kind in level]
    try:
        marks = json.loads(query.after)
    except ValueError:
        marks = None
    if not isinstance(marks, list) or [type(mark) for mark in marks] != wanted:
        raise BadRequest(f"PriorRecordKey: not a key of a {query.level.name.lower()} record")
    if any(type(mark) is int and abs(mark) > LAST for mark in marks):
        raise BadRequest("PriorRecordKey: not a key of a record")
    return marks


def _records(query: Query, statement: Search, rows: Sequence[Row]) -> list[Found]:
    """Positions are looked up once, not a row."""
    at = statement.fields
    levels = range(1, int(query.level) + 1)
    uids = [at[f"uid{n}"] for n in levels]
    members = [(at.get(f"json{n}"), at.get(f"extra{n}")) for n in levels]
    counts = [at[f"instances{n}"] for n in levels if n < QueryLevel.INSTANCE]
    modalities, series = at["modalities"], at["series_count"]
    syntax = at.get("transfer_syntax")
    return [
        Found(
            tuple([row[n] for n in uids]),
            tuple([_level(row, json, extra) for json, extra in members]),
            tuple([name for name in row[modalities].split("\\") if name]),
            row[series],
            tuple([row[n] for n in counts]),
            row[syntax] if syntax is not None else "",
            _key(query.level, at, row) if query.keys else b"",
        )
        for row in rows
    ]


def _level(row: Row, json: int | None, extra: int | None) -> Level:
    if json is None and extra is None:
        return _EMPTY
    ready = bytes(row[json]) if json is not None else b""
    return Level(ready, codec.decode_extra(bytes(row[extra])) if extra is not None else {})


def _key(level: QueryLevel, at: dict[str, int], row: Row) -> bytes:
    """The record's place in the order, for whoever asks for what comes after it."""
    marks = [row[at["study_date"]], row[at["id1"]]]
    for n, number in ((2, "series_number"), (3, "instance_number")):
        if level >= n:
            place = row[at[number]]
            marks += [LAST if place is None else place, row[at[f"uid{n}"]]]
    marks += [row[at["id3"]]] if level == QueryLevel.INSTANCE else []
    return json.dumps(marks, separators=(",", ":")).encode()


_CLASSES_OF = (
    select(_S.uid, _I.sop_class)
    .distinct()
    .select_from(t.study.join(t.series, _R.study_id == _S.id).join(t.instance, _I.series_id == _R.id))
    .where(_S.uid.in_([bindparam(f"u{n}") for n in range(_PART)]), _I.until_sequence.is_(None))
)


def _with_classes(found: list[Found], dialect: str, run: Run) -> list[Found]:
    """SOPClassesInStudy, gathered for the studies of the page."""
    statement = compiled(_CLASSES_OF, dialect)
    classes: dict[str, set[str]] = {}
    for start in range(0, len(found), _PART):
        uids = [one.identity[0] for one in found[start : start + _PART]]
        uids += uids[-1:] * (_PART - len(uids))
        for study, name in run(statement.sql, statement.bind({f"u{n}": uid for n, uid in enumerate(uids)})):
            classes.setdefault(study, set()).add(name)
    return [_replaced(one, tuple(sorted(classes.get(one.identity[0], ())))) for one in found]


def _replaced(one: Found, classes: tuple[str, ...]) -> Found:
    return Found(
        one.identity, one.levels, one.modalities, one.series_count, one.instances, one.transfer_syntax, one.key, classes
    )


_UNFINISHED = select(t.search_tag.c.path).where(t.search_tag.c.path == bindparam("path"), t.search_tag.c.done)


def _pending(query: Query, dialect: str, run: Run) -> tuple[str, ...]:
    """Keys of the configuration whose values are not all indexed yet."""
    asked = [one.attribute for one in query.conditions if BY_NAME.get(one.attribute.tag) is not one.attribute]
    statement = compiled(_UNFINISHED, dialect) if asked else None
    return tuple(a.keyword for a in asked if statement and not run(statement.sql, statement.bind({"path": a.tag})))
