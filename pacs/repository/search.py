"""Queries as SQL."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, false, func, or_, select, true

from pacs.domain.model import Found, Level, Page
from pacs.domain.query import Condition, Query, QueryLevel
from pacs.repository import codec
from pacs.repository import tables as t

_S, _R, _I = t.study.c, t.series.c, t.instance.c
_TABLES = {QueryLevel.STUDY: t.study, QueryLevel.SERIES: t.series, QueryLevel.INSTANCE: t.instance}
_STUDY_ORDER = (_S.study_date.desc(), _S.id.desc())
_SERIES_ORDER = (*_STUDY_ORDER, _R.series_number.asc().nulls_last(), _R.uid)
_ORDER: dict[QueryLevel, tuple[ColumnElement[Any], ...]] = {
    QueryLevel.STUDY: _STUDY_ORDER,
    QueryLevel.SERIES: _SERIES_ORDER,
    QueryLevel.INSTANCE: (*_SERIES_ORDER, _I.instance_number.asc().nulls_last(), _I.uid),
}


def search(connection: Connection, query: Query) -> Page:
    """The page; counts what lies beyond it only when it is full."""
    source, where = _source(query.level), _where(query)
    chosen = select(*_columns(query)).select_from(source).where(*where).order_by(*_ORDER[query.level])
    rows = connection.execute(chosen.limit(query.limit + 1).offset(query.offset)).all()
    remaining = 0
    if len(rows) > query.limit:
        count: Select[Any] = select(func.count()).select_from(source).where(*where)
        remaining = connection.execute(count).scalar_one() - query.offset - query.limit
    return Page([_found(query, row) for row in rows[: query.limit]], max(remaining, 0))


def _source(level: QueryLevel) -> FromClause:
    source: FromClause = t.study
    if level >= QueryLevel.SERIES:
        source = source.join(t.series, _R.study_id == _S.id)
    if level >= QueryLevel.INSTANCE:
        source = source.join(t.instance, _I.series_id == _R.id)
    return source


def _columns(query: Query) -> list[ColumnElement[Any]]:
    extra = query.include_all or bool(query.include)
    columns: list[ColumnElement[Any]] = [_S.modalities, _S.series_count]
    for level in QueryLevel:
        if level <= query.level:
            table = _TABLES[level].c
            columns += [table.uid.label(f"uid{int(level)}"), table.json.label(f"json{int(level)}")]
            columns += [table.extra.label(f"extra{int(level)}")] if extra else []
    columns.append((_S if query.level == QueryLevel.STUDY else _R).instance_count)
    columns += [_I.transfer_syntax] if query.level == QueryLevel.INSTANCE else []
    return columns


def _found(query: Query, row: Any) -> Found:
    values = row._mapping
    extra = query.include_all or bool(query.include)
    numbers = range(1, int(query.level) + 1)
    return Found(
        tuple(values[f"uid{n}"] for n in numbers),
        tuple(Level(bytes(values[f"json{n}"]), codec.decode_extra(bytes(values[f"extra{n}"])) if extra else {}) for n in numbers),
        tuple(name for name in values["modalities"].split("\\") if name),
        values["series_count"],
        values["instance_count"],
        values["transfer_syntax"] if query.level == QueryLevel.INSTANCE else "",
    )


def _where(query: Query) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [_S.instance_count > 0]
    if query.level >= QueryLevel.SERIES:
        where.append(_R.instance_count > 0)
    if query.level >= QueryLevel.INSTANCE:
        where.append(_I.until_sequence.is_(None))
    where += [_S.uid == query.study] if query.study is not None else []
    below: dict[QueryLevel, list[ColumnElement[bool]]] = {QueryLevel.SERIES: [], QueryLevel.INSTANCE: []}
    for one in query.conditions:
        own = one.attribute.level <= query.level
        (where if own else below[one.attribute.level]).append(_condition(one))
    if query.series is not None:
        (where if query.level >= QueryLevel.SERIES else below[QueryLevel.SERIES]).append(_R.uid == query.series)
    return where + _children(query.level, below[QueryLevel.SERIES], below[QueryLevel.INSTANCE])


def _children(
    level: QueryLevel, series: list[ColumnElement[bool]], instances: list[ColumnElement[bool]]
) -> list[ColumnElement[bool]]:
    """Conditions below the level wanted hold for one same child."""
    if instances:
        inner = exists().where(_I.series_id == _R.id, _I.until_sequence.is_(None), *instances)
        series = [*series, inner.correlate(t.series)]
    if not series:
        return []
    if level >= QueryLevel.SERIES:
        return series
    return [exists().where(_R.study_id == _S.id, _R.instance_count > 0, *series).correlate(t.study)]


def _condition(one: Condition) -> ColumnElement[bool]:
    if one.attribute.column == "modalities":
        return _modalities(one)
    column: ColumnElement[Any] = _TABLES[one.attribute.level].c[one.attribute.column]
    if one.attribute.vr == "IS":
        return _number(column, one)
    if one.kind == "range":
        return _range(column, one.values)
    return _person(one) if one.attribute.vr == "PN" else _plain(column, one)


def _plain(column: ColumnElement[Any], one: Condition) -> ColumnElement[bool]:
    if one.kind == "wildcard":
        return _wildcard(column, one.values[0])
    if len(one.values) == 1:
        return column == one.values[0]
    return column.in_(one.values)


def _modalities(one: Condition) -> ColumnElement[bool]:
    other = t.series.alias()
    match = _plain(other.c.modality, one)
    return exists().where(other.c.study_id == _S.id, other.c.instance_count > 0, match).correlate(t.study)


def _number(column: ColumnElement[Any], one: Condition) -> ColumnElement[bool]:
    if one.kind == "range":
        bounds = [codec.integer(value) if value else None for value in one.values]
        if any(value and bound is None for value, bound in zip(one.values, bounds, strict=True)):
            return false()
        low, high = bounds
        parts: list[ColumnElement[bool]] = [column.is_not(None)]
        parts += [column >= low] if low is not None else []
        parts += [column <= high] if high is not None else []
        return and_(*parts)
    numbers = [number for number in map(codec.integer, one.values) if number is not None]
    return column.in_(numbers) if numbers else false()


def _range(column: ColumnElement[Any], values: tuple[str, ...]) -> ColumnElement[bool]:
    """Inclusive; a bound of less precision (1015) takes in what it begins (101530)."""
    low, high = values
    parts: list[ColumnElement[bool]] = [column != ""]
    parts += [column >= low] if low else []
    parts += [column <= high + "~"] if high else []
    return and_(*parts)


def _wildcard(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    body = pattern.rstrip("*")
    if body != pattern and body and not set(body) & {"*", "?"}:
        return _prefix(column, body)
    return column.like(_like(pattern), escape="!")


def _prefix(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    last = ord(prefix[-1]) + 1
    if 0xD800 <= last <= 0xDFFF:
        last = 0xE000
    if last > 0x10FFFF:
        return column >= prefix
    return and_(column >= prefix, column < prefix[:-1] + chr(last))


def _person(one: Condition) -> ColumnElement[bool]:
    """Looked up by itself: a scan of the narrow index of names rather than of the rows."""
    other = _TABLES[one.attribute.level].alias()
    column = other.c[one.attribute.column]
    if one.kind == "words":
        match = and_(true(), *(_word(column, word) for value in one.values for word in _words(value)))
    else:
        match = or_(false(), *(_name(column, value, one.kind == "wildcard") for value in one.values))
    return _TABLES[one.attribute.level].c.id.in_(select(other.c.id).where(match))


def _name(column: ColumnElement[Any], value: str, wildcard: bool) -> ColumnElement[bool]:
    """The whole name or any of its component groups."""
    whole = _wildcard(column, value) if wildcard else column == value
    if "=" in value or not value.strip("*"):
        return whole
    like = _like(value) if wildcard else _escape(value)
    forms = (f"{like}=%", f"%={like}", f"%={like}=%")
    return or_(whole, *(column.like(form, escape="!") for form in forms))


def _words(value: str) -> list[str]:
    return value.replace("^", " ").replace("=", " ").split()


def _word(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    like = _escape(word) + "%"
    return or_(column.like(like, escape="!"), *(column.like(f"%{mark}{like}", escape="!") for mark in "^ ="))


def _escape(value: str) -> str:
    return value.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _like(pattern: str) -> str:
    return _escape(pattern).replace("*", "%").replace("?", "_")
