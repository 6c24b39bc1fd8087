"""The index in a SQL database."""

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from pacs.domain import layout
from pacs.domain.errors import IndexFault
from pacs.domain.model import (
    BulkValue,
    FramePlace,
    FrameTable,
    Identity,
    Incoming,
    Instance,
    Level,
    Move,
    Outcome,
    Page,
    Record,
    Shown,
    Standing,
    TagRow,
)
from pacs.domain.query import Attribute, Query, QueryLevel
from pacs.repository import codec, tags, write
from pacs.repository import tables as t
from pacs.repository.search import search

_S, _R, _I = t.study.c, t.series.c, t.instance.c
_JOINED = t.instance.join(t.series, _R.id == _I.series_id).join(t.study, _S.id == _R.study_id)
_INSTANCES = select(
    _I.id,
    _S.uid.label("study_uid"),
    _R.uid.label("series_uid"),
    _I.uid,
    _I.sop_class,
    _I.transfer_syntax,
    _I.digest,
    _I.data_digest,
    _I.size,
    _I.location,
    _I.frames,
    _I.bulk,
    _I.instance_number,
    _I.since_sequence,
).select_from(_JOINED)
_TRIPLE = (
    _S.uid == bindparam("study"),
    _R.uid == bindparam("series"),
    _I.uid == bindparam("instance"),
    _I.until_sequence.is_(None),
)
_PLACE = select(_I.location, _I.frames, _I.transfer_syntax, _I.digest).select_from(_JOINED).where(*_TRIPLE)
_PLACE_SQLITE = (
    "SELECT i.location, i.frames, i.transfer_syntax, i.digest FROM study s"
    " JOIN series r ON r.study_id = s.id JOIN instance i ON i.series_id = r.id"
    " WHERE s.uid = ? AND r.uid = ? AND i.uid = ? AND i.until_sequence IS NULL"
)
_SHOWN_STUDY_SQLITE = "SELECT state, sequence FROM study WHERE uid = ? AND instance_count > 0"
_SHOWN_SERIES_SQLITE = (
    "SELECT r.state, r.sequence FROM study s JOIN series r ON r.study_id = s.id"
    " WHERE s.uid = ? AND r.uid = ? AND r.instance_count > 0"
)
_ONE = _INSTANCES.where(*_TRIPLE)
_RELOCATE = (
    update(t.instance)
    .where(_I.id == bindparam("row"), _I.location == bindparam("old"))
    .values(location=bindparam("new"), frames=bindparam("table"), received=bindparam("waits"))
)
_IN_SERIES = (_S.uid == bindparam("study"), _R.uid == bindparam("series"))
_LINES = (
    select(t.waiting_line)
    .select_from(_JOINED.join(t.waiting_line, t.waiting_line.c.instance_id == _I.id))
    .where(*_IN_SERIES, _I.until_sequence.is_(None))
)
_FORGET_LINES = delete(t.waiting_line).where(
    t.waiting_line.c.instance_id.in_(
        select(_I.id).select_from(_JOINED).where(*_IN_SERIES, _I.since_sequence <= bindparam("upto"))
    )
)
_RETRIED = ("40P01", "40001")
_ATTEMPTS = 4


class _Reader:
    """A connection of one thread, outside the pool; closed with its thread."""

    def __init__(self, engine: Engine) -> None:
        borrowed = engine.raw_connection()
        self.connection: Any = borrowed.driver_connection
        self._detached = borrowed
        borrowed.detach()

    def close(self) -> None:
        self.connection.close()

    def __del__(self) -> None:
        self.close()


class SqlRepository:
    """``pacs.domain.ports.Repository`` on SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writing=True)
        self._points = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.local: bool = engine.dialect.name == "sqlite"
        self._thread = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()

    # writing

    def store(
        self, batch: Sequence[Incoming], source: str, policy: str, log: Callable[[str, int, Record], None]
    ) -> list[Outcome]:
        """One transaction for the batch; ``log`` runs in it just before COMMIT."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._write() as connection:
                    return write.Batch(connection, source, policy, log).run(batch)
            except IndexFault as fault:
                if attempt == _ATTEMPTS or not _retried(fault):
                    raise
        raise AssertionError("unreachable")

    def relocate(self, moves: Sequence[Move]) -> int:
        """Compare-and-set of rows' locations and frame tables, in one transaction; how many were set."""
        values = [
            {"row": m.row, "old": m.old, "new": m.new, "table": m.frames.encode(), "waits": layout.is_incoming(m.new)}
            for m in sorted(moves)
        ]
        with self._write() as connection:
            return sum(connection.execute(_RELOCATE, one).rowcount for one in values)

    def swap(self, study: str, publish: Callable[[], None], shows: tuple[str, int] | None = None) -> None:
        """Runs ``publish`` under the study's row lock (on SQLite: under the database's)."""
        with self._write() as connection:
            connection.execute(write.LOCK, {"uids": [study]}).all()
            publish()
            if shows is not None:
                connection.execute(_FORGET_LINES, {"study": study, "series": shows[0], "upto": shows[1]})

    def seal(self, study: str, manifest: Callable[[int, list[int]], None]) -> int | None:
        """A new version, None when nothing changed; ``manifest`` gets the sequences of its log records."""
        with self._write() as connection:
            row = connection.execute(write.LOCK, {"uids": [study]}).one_or_none()
            if row is None or row.sequence <= row.sealed_sequence:
                return None
            version = int(row.version) + 1
            _seal(connection, row, version)
            manifest(version, _records(connection, study, row.sealed_sequence))
            return version

    def publish(self, study: str, version: int) -> None:
        """Notes that the documents of this version are written."""
        chosen = update(t.study).where(_S.uid == study, _S.published < version)
        with self._write() as connection:
            connection.execute(chosen.values(published=version))

    def unname(self, locations: Sequence[str], remove: Callable[[list[str]], None]) -> None:
        """Runs ``remove`` with those no row names, while no store can commit: each moves the counter, locked here."""
        with self._write() as connection:
            connection.execute(write.HOLD).all()
            named = _named(connection, locations)
            remove([one for one in locations if one not in named])

    # reading

    def named(self, locations: Sequence[str]) -> set[str]:
        """Those of the locations that a row names, of history too."""
        with self._read() as connection:
            return _named(connection, locations)

    def received(self, limit: int) -> list[Instance]:
        """Instances (history included) whose bytes still lie in ``incoming/``, oldest first."""
        chosen = _INSTANCES.where(_I.received).order_by(_I.since_sequence).limit(limit)
        with self._read() as connection:
            return [codec.instance(row) for row in connection.execute(chosen)]

    def instance(self, identity: Identity) -> Instance | None:
        with self._read() as connection:
            row = connection.execute(_ONE, identity._asdict()).one_or_none()
        return codec.instance(row) if row is not None else None

    def frame_place(self, identity: Identity) -> FramePlace | None:
        """The hot read: on SQLite the driver alone, on a connection of the thread."""
        if self.local:
            row = self._point(_PLACE_SQLITE, identity)
        else:
            with self._read() as connection:
                row = connection.execute(_PLACE, identity._asdict()).one_or_none()
        return FramePlace(row[0], FrameTable.decode(row[1]), row[2], row[3]) if row is not None else None

    def _point(self, statement: str, keys: Sequence[str]) -> Any:
        """One row of SQLite by the driver, on a connection of the thread."""
        with _driver_faults():
            return self._reader().connection.execute(statement, keys).fetchone()

    def instances(self, study: str, series: str | None = None, at: int | None = None) -> list[Instance]:
        """Instances now, or at sequence ``at``, in the order of series and instance numbers."""
        chosen = _INSTANCES.where(_S.uid == study).order_by(
            _R.series_number.asc().nulls_last(), _R.uid, _I.instance_number.asc().nulls_last(), _I.uid
        )
        if series is not None:
            chosen = chosen.where(_R.uid == series)
        if at is None:
            chosen = chosen.where(_I.until_sequence.is_(None))
        else:
            chosen = chosen.where(_I.since_sequence <= at, or_(_I.until_sequence.is_(None), _I.until_sequence > at))
        with self._read() as connection:
            return [codec.instance(row) for row in connection.execute(chosen)]

    def waiting_lines(self, study: str, series: str) -> dict[int, bytes]:
        """Row -> metadata line of the instances that no document shows yet."""
        with self._read() as connection:
            found = connection.execute(_LINES, {"study": study, "series": series})
            return {row.instance_id: codec.decode_line(row.line) for row in found}

    def shown(self, study: str, series: str | None = None) -> Shown | None:
        """None when unknown or empty.  As hot as :meth:`frame_place`."""
        if self.local:
            keys = (study,) if series is None else (study, series)
            found = self._point(_SHOWN_STUDY_SQLITE if series is None else _SHOWN_SERIES_SQLITE, keys)
            return Shown(*found) if found is not None else None
        if series is None:
            chosen = select(_S.state, _S.sequence).where(_S.uid == study, _S.instance_count > 0)
        else:
            joined = t.series.join(t.study, _S.id == _R.study_id)
            chosen = select(_R.state, _R.sequence).select_from(joined)
            chosen = chosen.where(_S.uid == study, _R.uid == series, _R.instance_count > 0)
        with self._read() as connection:
            row = connection.execute(chosen).one_or_none()
        return Shown(row.state, row.sequence) if row is not None else None

    def series_of(self, study: str) -> list[str]:
        """UIDs by series number, then UID."""
        chosen = select(_R.uid).join(t.study, _S.id == _R.study_id).where(_S.uid == study, _R.instance_count > 0)
        chosen = chosen.order_by(_R.series_number.asc().nulls_last(), _R.uid)
        with self._read() as connection:
            return list(connection.execute(chosen).scalars())

    def search(self, query: Query) -> Page:
        """On SQLite by the driver alone, on a connection of the thread."""
        if self.local:
            with _driver_faults():
                driver = self._reader().connection
                return search(query, "sqlite", lambda sql, values: driver.execute(sql, values).fetchall())
        with self._read() as connection:
            return search(query, "postgresql", lambda sql, values: connection.exec_driver_sql(sql, values).all())

    def declare_tags(self, wanted: Sequence[Attribute]) -> None:
        with self._read() as connection:
            if tags.declared(connection, wanted):
                return
        with self._write() as connection:
            tags.declare(connection, wanted)

    def waiting_tags(self) -> dict[str, int]:
        with self._read() as connection:
            return tags.waiting(connection)

    def tag_rows(self, level: QueryLevel, after: int, limit: int) -> list[TagRow]:
        with self._read() as connection:
            return tags.rows(connection, _INSTANCES, level, after, limit)

    def index_tags(
        self, level: QueryLevel, paths: Sequence[str], found: Sequence[tuple[TagRow, Level]], last: int | None
    ) -> None:
        with self._write() as connection:
            tags.index(connection, level, paths, found, last)

    def unsealed(self, before: float) -> list[str]:
        """Studies with commits after their last version, none later than ``before``; oldest first."""
        chosen = select(_S.uid).where(_S.sequence > _S.sealed_sequence, _S.changed <= before)
        with self._read() as connection:
            return list(connection.execute(chosen.order_by(_S.changed, _S.id)).scalars())

    def unpublished(self, before: float) -> list[str]:
        """Studies whose newest version has no documents yet, without commits later than ``before``; oldest first."""
        chosen = select(_S.uid).where(_S.published < _S.version, _S.changed <= before)
        with self._read() as connection:
            return list(connection.execute(chosen.order_by(_S.changed, _S.id)).scalars())

    def standing(self, study: str) -> Standing | None:
        chosen = select(_S.version, _S.sealed_sequence, _S.published).where(_S.uid == study)
        with self._read() as connection:
            row = connection.execute(chosen).one_or_none()
        return Standing(*row) if row is not None else None

    def bulk_received(self, study: str, sha256: str) -> tuple[str, BulkValue] | None:
        """A bulk value that still lies in a received file, and the file's location."""
        chosen = select(_I.location, _I.bulk).select_from(_JOINED).where(_S.uid == study, _I.received)
        with self._read() as connection:
            for row in connection.execute(chosen.where(_I.bulk.contains(sha256, autoescape=True))):
                for value in codec.decode_bulk(row.bulk):
                    if value.sha256 == sha256:
                        return row.location, value
        return None

    def counts(self) -> tuple[int, int, int]:
        """Studies, series, instances."""
        sums = [func.count(), *(func.coalesce(func.sum(c), 0) for c in (_S.series_count, _S.instance_count))]
        with self._read() as connection:
            row = connection.execute(select(*sums).where(_S.instance_count > 0)).one()
        return int(row[0]), int(row[1]), int(row[2])

    def close(self) -> None:
        for reader in list(self._readers):
            reader.close()
        self._engine.dispose()

    # connections

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with _faults(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        engine = self._engine if self.local else self._points
        with _faults(), engine.connect() as connection:
            yield connection

    def _reader(self) -> _Reader:
        found: _Reader | None = getattr(self._thread, "reader", None)
        if found is None:
            found = self._thread.reader = _Reader(self._engine)
            self._readers.add(found)
        return found


def _seal(connection: Connection, row: Any, version: int) -> None:
    values = {"version": version, "sealed_sequence": row.sequence}
    connection.execute(update(t.study).where(_S.id == row.id).values(values))
    sealed = {"study_id": row.id, "version": version, "sequence": row.sequence, "time": time.time()}
    connection.execute(insert(t.study_version).values(sealed))


def _named(connection: Connection, locations: Sequence[str]) -> set[str]:
    return set(connection.execute(select(_I.location).where(_I.location.in_(locations))).scalars())


def _records(connection: Connection, study: str, after: int) -> list[int]:
    """Sequences of the log records of the study later than ``after``."""
    c = t.change.c
    chosen = select(c.record).distinct().where(c.study == study, c.sequence > after).order_by(c.record)
    return list(connection.execute(chosen).scalars())


def _retried(fault: IndexFault) -> bool:
    """Whether the database broke a deadlock by giving this transaction up."""
    cause = getattr(fault.__cause__, "orig", None)
    return getattr(cause, "sqlstate", None) in _RETRIED


@contextmanager
def _driver_faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise IndexFault(f"database: {error}") from error


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise IndexFault(f"database: {str(error.orig).splitlines()[0]}") from error
