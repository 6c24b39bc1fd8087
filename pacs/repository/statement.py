"""Statements of searches, one for each shape (:mod:`pacs.repository.forms`).

The page is chosen by row ids alone, from narrow indexes, and the records are fetched for those of the page.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.engine.interfaces import Dialect

from pacs.domain.query import QueryLevel
from pacs.repository import tables as t
from pacs.repository.forms import Shape
from pacs.repository.matches import where_of

_S, _R, _I = t.study.c, t.series.c, t.instance.c
_TABLES = {QueryLevel.STUDY: t.study, QueryLevel.SERIES: t.series, QueryLevel.INSTANCE: t.instance}
LAST = 2**63 - 1
"""Stands for no number in the order."""


class Order(NamedTuple):
    """A term of the total order."""

    term: ColumnElement[Any]
    falling: bool = False


class Statement(NamedTuple):
    """SQL of the driver, and the names of its parameters in order (of a driver that wants names: all of them)."""

    sql: str
    names: tuple[str, ...]
    constants: dict[str, Any]
    positional: bool

    def bind(self, values: dict[str, Any]) -> Any:
        """The parameters as the driver wants them."""
        if not self.positional:
            return {name: values[name] if name in values else self.constants[name] for name in self.names}
        return tuple(values[name] if name in values else self.constants[name] for name in self.names)


class Search(NamedTuple):
    """The statements of one shape: a page, and how many rows there are."""

    page: Statement
    total: Statement
    fields: dict[str, int]


_ORDER = {
    QueryLevel.STUDY: (Order(_S.study_date, True), Order(_S.id, True)),
    QueryLevel.SERIES: (Order(func.coalesce(_R.series_number, literal_column(str(LAST)))), Order(_R.uid)),
    QueryLevel.INSTANCE: (
        Order(func.coalesce(_I.instance_number, literal_column(str(LAST)))),
        Order(_I.uid),
        Order(_I.id),
    ),
}


def order_of(shape: Shape) -> list[Order]:
    """The total order of the rows: studies newest first, then by number and UID; what the path fixes is left out."""
    fixed = 2 if shape.series and shape.study else 1 if shape.study else 0
    levels = [level for level in QueryLevel if fixed < level <= shape.level] or [shape.level]
    return [one for level in levels for one in _ORDER[level]]


@lru_cache(maxsize=512)
def statements(shape: Shape, dialect: str) -> Search:
    """The statements of a shape for ``sqlite`` or ``postgresql``."""
    source, where = _source(shape.level), where_of(shape)
    terms = [one.term.desc() if one.falling else one.term.asc() for one in order_of(shape)]
    own = _TABLES[shape.level].c
    count = select(func.count()).select_from(source).where(*where)
    after = [_after(order_of(shape))] if shape.after else []
    chosen = select(own.id).select_from(source).where(*where, *after).order_by(*terms)
    page = chosen.limit(bindparam("limit")).offset(bindparam("offset")).subquery("page")
    columns = list(_columns(shape))
    records = select(*columns).select_from(source.join(page, page.c.id == own.id)).order_by(*terms)
    fields = {column.name: number for number, column in enumerate(columns)}
    return Search(_compiled(records, dialect), _compiled(count.where(*after), dialect), fields)


@lru_cache(maxsize=64)
def compiled(statement: Select[Any], dialect: str) -> Statement:
    """A fixed statement."""
    return _compiled(statement, dialect)


def _compiled(statement: Select[Any], name: str) -> Statement:
    made = statement.compile(dialect=_dialect(name), compile_kwargs={"render_postcompile": True})
    positional: list[str] | None = made.positiontup
    names = tuple(positional) if positional is not None else tuple(made.params)
    return Statement(str(made), names, dict(made.params), positional is not None)


@lru_cache(maxsize=2)
def _dialect(name: str) -> Dialect:
    from sqlalchemy.dialects.postgresql import psycopg
    from sqlalchemy.dialects.sqlite import pysqlite

    return pysqlite.dialect() if name == "sqlite" else psycopg.dialect()  # type: ignore[no-untyped-call]


def _source(level: QueryLevel) -> FromClause:
    source: FromClause = t.study
    if level >= QueryLevel.SERIES:
        source = source.join(t.series, _R.study_id == _S.id)
    if level >= QueryLevel.INSTANCE:
        source = source.join(t.instance, _I.series_id == _R.id)
    return source


def _columns(shape: Shape) -> Iterator[ColumnElement[Any]]:
    yield _S.modalities
    yield _S.series_count
    yield _S.study_date
    for level, json, extra in zip(QueryLevel, shape.json, shape.extra, strict=False):
        table = _TABLES[level].c
        number = int(level)
        yield table.id.label(f"id{number}")
        yield table.uid.label(f"uid{number}")
        if json:
            yield table.json.label(f"json{number}")
        if extra:
            yield table.extra.label(f"extra{number}")
        if level < QueryLevel.INSTANCE:
            yield table.instance_count.label(f"instances{number}")
    if shape.level >= QueryLevel.SERIES:
        yield _R.series_number
    if shape.level >= QueryLevel.INSTANCE:
        yield _I.instance_number
        yield _I.transfer_syntax


def _after(order: list[Order]) -> ColumnElement[bool]:
    """Beyond the row whose terms are bound as ``after0``, ``after1``, ...  The first alone bounds an index as well."""
    marks: list[ColumnElement[Any]] = [bindparam(f"after{n}") for n in range(len(order))]
    choices: list[ColumnElement[bool]] = []
    for n, (term, falling) in enumerate(order):
        beyond = term < marks[n] if falling else term > marks[n]
        choices.append(and_(*(order[k].term == marks[k] for k in range(n)), beyond))
    first = order[0].term <= marks[0] if order[0].falling else order[0].term >= marks[0]
    return and_(first, or_(*choices))
