"""Forms as SQL: what each kind of condition asks of a row, its parents and its children (PS3.4 C.2.2.2)."""

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, exists, literal_column, or_, select, union_all

from pacs.domain.query import VALUES, QueryLevel
from pacs.repository import tables as t
from pacs.repository.forms import Form, Shape, is_integer

_S, _R, _I = t.study.c, t.series.c, t.instance.c
_TABLES = {QueryLevel.STUDY: t.study, QueryLevel.SERIES: t.series, QueryLevel.INSTANCE: t.instance}
_NOTHING: ColumnElement[Any] = literal_column("0")
_BLANK: ColumnElement[Any] = literal_column("''")

Match = ColumnElement[bool]
Bound = Sequence[ColumnElement[Any]]


class _Given(NamedTuple):
    """A form and its bound values."""

    form: Form
    bound: Bound


def where_of(shape: Shape) -> list[Match]:
    """The conditions of a statement whose FROM is the study and its descendants down to the level of the shape."""
    where: list[Match] = [_S.instance_count > _NOTHING]
    where += [_R.instance_count > _NOTHING] if shape.level >= QueryLevel.SERIES else []
    where += [_I.until_sequence.is_(None)] if shape.level >= QueryLevel.INSTANCE else []
    where += [_S.uid == bindparam("study")] if shape.study else []
    below = _Below()
    if shape.series:
        match = _R.uid == bindparam("series")
        where += [match] if shape.level >= QueryLevel.SERIES else below.add(QueryLevel.SERIES, match, True)
    for given in _grouped(shape.forms):
        level = given[0].form.attribute.level
        match = _match(given)
        where += [match] if level <= shape.level else below.add(level, match, _narrow(given[0].form))
    return where + below.where(shape.level)


def _narrow(form: Form) -> bool:
    """Whether it finds few rows by an index."""
    return form.kind in ("in", "prefix") and (form.attribute.vr == "UI" or form.attribute.column == VALUES)


def _grouped(forms: tuple[Form, ...]) -> list[list[_Given]]:
    """The forms with their values; keys within one sequence together, as one same item has to match (C.2.2.2.6)."""
    numbers = count()
    groups: dict[object, list[_Given]] = {}
    for place, form in enumerate(forms):
        bound: list[ColumnElement[Any]] = [bindparam(f"p{next(numbers)}") for _ in range(form.bound)]
        sequence = form.attribute.sequence if form.kind != "empty" else ""
        groups.setdefault(sequence or place, []).append(_Given(form, bound))
    return list(groups.values())


class _Below:
    """Conditions below the level wanted: all hold for one same child."""

    def __init__(self) -> None:
        self.found: dict[QueryLevel, list[Match]] = {QueryLevel.SERIES: [], QueryLevel.INSTANCE: []}
        self.narrow = False

    def add(self, level: QueryLevel, match: Match, narrow: bool) -> list[Match]:
        self.found[level].append(match)
        self.narrow = self.narrow or narrow
        return []

    def where(self, level: QueryLevel) -> list[Match]:
        series, instances = self.found[QueryLevel.SERIES], self.found[QueryLevel.INSTANCE]
        if instances:
            current = [_I.until_sequence.is_(None), *instances]
            series = [*series, self._child(_R.id, _I.series_id, t.series, current)]
        if not series or level >= QueryLevel.SERIES:
            return series
        return [self._child(_S.id, _R.study_id, t.study, [_R.instance_count > _NOTHING, *series])]

    def _child(self, own: ColumnElement[Any], parent: ColumnElement[Any], table: FromClause, where: list[Match]) -> Match:
        """Few children are looked up first; else each row looks for one of its own."""
        if self.narrow:
            return own.in_(select(parent).where(*where).correlate(None))
        return exists().where(parent == own, *where).correlate(table)


def _match(group: list[_Given]) -> Match:
    form, bound = group[0]
    a = form.attribute
    if form.kind == "all":
        return and_(*(_match([_Given(form._replace(kind="in", values=1), [one])]) for one in bound))
    if form.kind == "words":
        own = _TABLES[a.level].c.id
        return and_(*(own.in_(_owners(f"{a.tag}~", "prefix", bound[n : n + 2])) for n in range(0, len(bound), 2)))
    if a.column == VALUES:
        return _kept_apart(group)
    if a.column == "modalities":
        return _modalities(form, bound)
    if a.column == "sop_classes":
        return _classes(form, bound)
    if form.kind == "moments":
        return _moments(form, bound)
    return _named(form, bound) if a.vr == "PN" else _columns(form, bound)


def _plain(column: ColumnElement[Any], kind: str, bound: Bound, ends: tuple[bool, ...] = ()) -> Match:
    """A column against the values of a form."""
    if kind == "in":
        return column == bound[0] if len(bound) == 1 else column.in_(list(bound))
    if kind == "like":
        return column.like(bound[0], escape="!")
    if kind == "prefix":
        return and_(column >= bound[0], column < bound[1])
    if kind == "empty":
        return or_(column.is_(None), column == _BLANK)
    low, high = ends
    return and_(*([column >= bound[0]] if low else []), *([column <= bound[-1]] if high else []))


def _columns(form: Form, bound: Bound) -> Match:
    """Scans go over the narrow index of the column, not over the rows."""
    table, name = _TABLES[form.attribute.level], form.attribute.column
    if is_integer(form.attribute):
        return table.c[name].is_(None) if form.kind == "empty" else _plain(table.c[name], form.kind, bound, form.ends)
    if form.kind == "like":
        other = table.alias()
        return table.c.id.in_(select(other.c.id).where(_plain(other.c[name], "like", bound)))
    match = _plain(table.c[name], form.kind, bound, form.ends)
    return match if form.kind != "range" or form.ends[0] else and_(table.c[name] > _BLANK, match)


def _named(form: Form, bound: Bound) -> Match:
    """A name as a whole, or one of its component groups (PS3.5 6.2.1)."""
    a = form.attribute
    table = _TABLES[a.level]
    if form.kind == "empty":
        return _plain(table.c[a.column], "empty", bound)
    other = table.alias()
    whole = select(other.c.id).where(_plain(other.c[a.column], form.kind, bound))
    return table.c.id.in_(union_all(whole, _owners(f"{a.tag}=", form.kind, bound)))


def _owners(path: str, kind: str, bound: Bound) -> Any:
    """The rows that have such a value under the path (which is of one level)."""
    v = t.search_value.alias().c
    return select(v.owner).where(v.path == path, _plain(v.value, kind, bound))


def _kept_apart(group: list[_Given]) -> Match:
    """Attributes whose values have no column; several in one sequence are matched within one item."""
    a = group[0].form.attribute
    own = _TABLES[a.level].c.id
    if group[0].form.kind == "empty":
        v = t.search_value.alias().c
        return own.not_in(select(v.owner).where(v.path == a.tag, v.value > _BLANK))
    tables = [t.search_value.alias() for _ in group]
    first = tables[0].c
    where: list[Match] = []
    for (form, bound), table in zip(group, tables, strict=True):
        v = table.c
        paths = (form.attribute.tag, f"{form.attribute.tag}=") if form.attribute.vr == "PN" else (form.attribute.tag,)
        path = v.path == paths[0] if len(paths) == 1 else v.path.in_(paths)
        where += [path, _plain(v.value, form.kind, bound, form.ends)]
        where += [v.owner == first.owner, v.item == first.item] if table is not tables[0] else []
    return own.in_(select(first.owner).where(*where))


def _modalities(form: Form, bound: Bound) -> Match:
    """Any series of the study, apart from what else is asked of one."""
    other = t.series.alias()
    series = [other.c.study_id == _S.id, other.c.instance_count > _NOTHING]
    if form.kind == "empty":
        return ~exists().where(*series, other.c.modality > _BLANK).correlate(t.study)
    return exists().where(*series, _plain(other.c.modality, form.kind, bound)).correlate(t.study)


def _classes(form: Form, bound: Bound) -> Match:
    """Any instance of the study."""
    parent, other = t.series.alias(), t.instance.alias()
    if form.kind == "empty":
        return literal_column("1") == _NOTHING
    return _S.id.in_(_studies_with(parent, other, _plain(other.c.sop_class, form.kind, bound)))


def _studies_with(parent: FromClause, other: FromClause, match: Match) -> Any:
    joined = other.join(parent, parent.c.id == other.c.series_id)
    return select(parent.c.study_id).select_from(joined).where(other.c.until_sequence.is_(None), match)


def _moments(form: Form, bound: Bound) -> Match:
    """A date and a time as one moment, between two of them (C.2.2.2.5.2); the dates alone bound an index."""
    assert form.time is not None
    table = _TABLES[form.attribute.level]
    day, clock = table.c[form.attribute.column], table.c[form.time.column]
    left = iter(bound)
    first, since, last, until = (next(left) if there else None for there in form.ends)
    where: list[Match] = [day > _BLANK, clock.is_not(None)]
    if first is not None:
        where.append(day >= first)
        where += [or_(day > first, clock >= since)] if since is not None else []
    if last is not None:
        where.append(day <= last)
        where += [or_(day < last, clock <= until)] if until is not None else []
    return and_(*where)
