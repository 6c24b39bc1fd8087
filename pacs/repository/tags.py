"""Extra searchable tags: which there are, how far each is indexed, and their values."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update

from pacs.domain.model import Level, TagRow
from pacs.domain.query import Attribute, QueryLevel
from pacs.repository import codec
from pacs.repository import tables as t

_S, _R, _I, _T, _V = t.study.c, t.series.c, t.instance.c, t.search_tag.c, t.search_value.c
_TABLES = {QueryLevel.STUDY: t.study, QueryLevel.SERIES: t.series, QueryLevel.INSTANCE: t.instance}


def _told(a: Attribute) -> tuple[str, int, str, str]:
    return a.tag, int(a.level), a.vr, a.creator


def _known(connection: Connection) -> set[tuple[str, int, str, str]]:
    return {tuple(row) for row in connection.execute(select(_T.path, _T.level, _T.vr, _T.creator))}


def declared(connection: Connection, wanted: Sequence[Attribute]) -> bool:
    """Whether the index knows exactly these."""
    return _known(connection) == {_told(one) for one in wanted}


def declare(connection: Connection, wanted: Sequence[Attribute]) -> None:
    """Adds and forgets.  An index without instances has nothing to catch up on."""
    known, told = _known(connection), {_told(one) for one in wanted}
    for path, *_ in known - told:
        connection.execute(delete(t.search_value).where(_V.path.in_(_paths(path))))
        connection.execute(delete(t.search_tag).where(_T.path == path))
    empty = connection.execute(select(_I.id).limit(1)).one_or_none() is None
    for path, level, vr, creator in sorted(told - known):
        row = {"path": path, "level": level, "vr": vr, "creator": creator, "position": 0, "done": empty}
        codec.insert_once(connection, t.search_tag, [row])


def _paths(path: str) -> tuple[str, str, str]:
    """The tag, the words and the groups of its names."""
    return path, f"{path}~", f"{path}="


def waiting(connection: Connection) -> dict[str, int]:
    chosen = select(_T.path, _T.position).where(_T.done.is_(False))
    return {path: position for path, position in connection.execute(chosen)}


def rows(connection: Connection, instances: Select[Any], level: QueryLevel, after: int, limit: int) -> list[TagRow]:
    """Instances with their history, as what was may come back; studies and series by their latest instance."""
    if level == QueryLevel.INSTANCE:
        chosen = instances.where(_I.id > after).order_by(_I.id).limit(limit)
        return [TagRow(row.id, codec.instance(row), 0) for row in connection.execute(chosen)]
    table = _TABLES[level].c
    owners = connection.execute(select(table.id, table.sequence).where(table.id > after).order_by(table.id).limit(limit)).all()
    return [TagRow(owner, _latest(connection, instances, table.id == owner), sequence) for owner, sequence in owners]


def _latest(connection: Connection, instances: Select[Any], owned: Any) -> Any:
    latest = select(func.max(_I.id)).select_from(
        t.instance.join(t.series, _R.id == _I.series_id).join(t.study, _S.id == _R.study_id)
    ).where(owned, _I.until_sequence.is_(None))  # fmt: skip
    row = connection.execute(instances.where(_I.id == latest.scalar_subquery())).one_or_none()
    return codec.instance(row) if row is not None else None


def _lock(connection: Connection, level: QueryLevel, owner: int) -> None:
    """The lock a store takes; instances do not change once they are there."""
    if level == QueryLevel.STUDY:
        connection.execute(select(_S.id).where(_S.id == owner).with_for_update()).all()
    elif level == QueryLevel.SERIES:
        parent = select(_R.study_id).where(_R.id == owner).scalar_subquery()
        connection.execute(select(_S.id).where(_S.id == parent).with_for_update()).all()


def index(
    connection: Connection,
    level: QueryLevel,
    paths: Sequence[str],
    found: Sequence[tuple[TagRow, Level]],
    last: int | None,
) -> None:
    """A row that has changed since it was read was stored by who knows the tags: its values are newer."""
    table = _TABLES[level]
    names = [name for path in paths for name in _paths(path)]
    for row, values in found:
        _lock(connection, level, row.owner)
        now = connection.execute(select(table).where(table.c.id == row.owner)).mappings().one_or_none()
        if now is None or (level != QueryLevel.INSTANCE and now["sequence"] != row.sequence):
            continue
        connection.execute(delete(t.search_value).where(_V.level == int(level), _V.owner == row.owner, _V.path.in_(names)))
        if new := codec.value_rows(level, row.owner, values):
            codec.insert_once(connection, t.search_value, new)
        if values.extra:
            extra = codec.encode_extra(codec.decode_extra(bytes(now["extra"])) | dict(values.extra))
            connection.execute(update(table).where(table.c.id == row.owner).values(extra=extra))
    reached = {"done": True} if last is None else {"position": last}
    connection.execute(update(t.search_tag).where(_T.path.in_(paths)).values(reached))
