"""Storing a batch: one object a transaction."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pacs.domain.cause import Cause
from pacs.domain.model import Identity, Incoming, Level, Outcome, Record
from pacs.domain.query import QueryLevel
from pacs.repository import codec
from pacs.repository import tables as t

Log = Callable[[str, int, Record], None]
SeriesKey = tuple[str, str]

_PART = 500
_NO_STATE = "0" * 64
_S, _R, _I = t.study.c, t.series.c, t.instance.c

LOCK = select(t.study).where(_S.uid.in_(bindparam("uids", expanding=True))).order_by(_S.uid).with_for_update()
_SERIES = select(t.series).where(
    _R.study_id.in_(bindparam("studies", expanding=True)), _R.uid.in_(bindparam("uids", expanding=True))
)
_CURRENT = select(_I.id, _I.series_id, _I.uid, _I.data_digest, _I.revision, _I.size).where(
    _I.series_id.in_(bindparam("series", expanding=True)),
    _I.uid.in_(bindparam("uids", expanding=True)),
    _I.until_sequence.is_(None),
)
_NEXT = (
    update(t.counter)
    .where(t.counter.c.name == "change")
    .values(value=t.counter.c.value + bindparam("count"))
    .returning(t.counter.c.value)
)
HOLD = select(t.counter).where(t.counter.c.name == "change").with_for_update()
_NEW_SERIES = insert(t.series).returning(_R.id, sort_by_parameter_order=True)
_NEW_INSTANCES = insert(t.instance).returning(_I.id, sort_by_parameter_order=True)
_NEW_CHANGES = insert(t.change)
_OLD_VALUES = delete(t.search_value).where(
    t.search_value.c.level == bindparam("at"), t.search_value.c.owner == bindparam("row")
)
_NEW_LINES = insert(t.waiting_line)
_END = (
    update(t.instance)
    .where(_I.id == bindparam("row"))
    .values(until_sequence=bindparam("sequence"), until_version=bindparam("version"))
)
_STUDY = update(t.study).where(_S.id == bindparam("row"))
_ONE_SERIES = update(t.series).where(_R.id == bindparam("row"))


@dataclass(slots=True)
class _Parent:
    """A study or series on its way to its next values."""

    row: dict[str, Any]
    new: bool = False
    latest: Level | None = None
    moved: int = 0
    instances: int = 0
    bytes: int = 0
    sequence: int | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """A current instance: in the database (``row``) or of this batch (``pending``)."""

    data_digest: str
    revision: int
    size: int
    row: int = 0
    pending: dict[str, Any] | None = None


@dataclass(slots=True)
class _Step:
    """What happens to one instance of the batch."""

    item: Incoming
    status: str
    before: _Known | None = None
    after: _Known | None = None
    sequence: int = 0


class Batch:
    """``run`` stores the instances inside the transaction of the connection."""

    def __init__(self, connection: Connection, source: str, policy: str, log: Log) -> None:
        self._connection = connection
        self._source = source
        self._policy = policy
        self._log = log
        self._now = time.time()
        self._studies: dict[str, _Parent] = {}
        self._series: dict[SeriesKey, _Parent] = {}
        self._known: dict[Identity, _Known] = {}
        self._values: list[dict[str, Any]] = []

    def run(self, batch: Sequence[Incoming]) -> list[Outcome]:
        """Outcomes in the order of the batch."""
        self._lock_studies({item.identity.study: item for item in batch})
        self._find_series({item.identity[:2]: item for item in batch})
        self._find_current(batch)
        steps = [self._decide(item) for item in batch]
        counted = [step for step in steps if step.status not in ("unchanged", "refused")]
        if counted:
            self._write(counted)
        return [_outcome(step) for step in steps]

    # what is there

    def _lock_studies(self, wanted: dict[str, Incoming]) -> None:
        self._lock(sorted(wanted))
        missing = sorted(set(wanted) - set(self._studies))
        if not missing:
            return
        rows = [self._new_study(uid, wanted[uid]) for uid in missing]
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        self._connection.execute(dialect.insert(t.study).on_conflict_do_nothing(index_elements=["uid"]), rows)
        self._lock(missing)

    def _lock(self, uids: list[str]) -> None:
        for part in _parts(uids):
            for row in self._connection.execute(LOCK, {"uids": part}).mappings():
                self._studies[row["uid"]] = _Parent(dict(row))

    def _new_study(self, uid: str, item: Incoming) -> dict[str, Any]:
        fixed = {"uid": uid, "state": _NO_STATE, "sequence": 0, "version": 0, "sealed_sequence": 0, "published": 0}
        counts = {"series_count": 0, "instance_count": 0, "bytes": 0, "modalities": ""}
        rest = {"changed": self._now, "source": self._source}
        return fixed | counts | rest | codec.attributes(QueryLevel.STUDY, item.study)

    def _find_series(self, wanted: dict[SeriesKey, Incoming]) -> None:
        uids = {self._studies[study].row["id"]: study for study, _ in wanted}
        for part in _parts(sorted({series for _, series in wanted})):
            for row in self._connection.execute(_SERIES, {"studies": list(uids), "uids": part}).mappings():
                key = (uids[row["study_id"]], row["uid"])
                if key in wanted:
                    self._series[key] = _Parent(dict(row))
        self._add_series({key: item for key, item in wanted.items() if key not in self._series})

    def _add_series(self, missing: dict[SeriesKey, Incoming]) -> None:
        if not missing:
            return
        rows = [self._new_series(*key, item) for key, item in missing.items()]
        ids = self._connection.execute(_NEW_SERIES, rows).scalars()
        for key, row, number in zip(missing, rows, ids, strict=True):
            self._series[key] = _Parent(row | {"id": number}, new=True)

    def _new_series(self, study: str, uid: str, item: Incoming) -> dict[str, Any]:
        fixed = {"study_id": self._studies[study].row["id"], "uid": uid, "state": _NO_STATE, "sequence": 0}
        return fixed | {"instance_count": 0} | codec.attributes(QueryLevel.SERIES, item.series)

    def _find_current(self, batch: Sequence[Incoming]) -> None:
        keys = {one.row["id"]: key for key, one in self._series.items() if not one.new}
        if not keys:
            return
        for part in _parts(sorted({item.identity.instance for item in batch})):
            for row in self._connection.execute(_CURRENT, {"series": list(keys), "uids": part}):
                identity = Identity(*keys[row.series_id], row.uid)
                self._known[identity] = _Known(row.data_digest, row.revision, row.size, row.id)

    # what happens

    def _decide(self, item: Incoming) -> _Step:
        known = self._known.get(item.identity)
        if known is None:
            return self._put(item, "stored", None)
        if known.data_digest == item.data_digest:
            return _Step(item, "unchanged", known)
        if self._policy == "replace":
            return self._put(item, "replaced", known)
        if self._policy == "quarantine":
            revision = known.revision + 1
            return _Step(item, "quarantined", known, _Known(item.data_digest, revision, item.size, pending={}))
        return _Step(item, "refused", known)

    def _put(self, item: Incoming, status: str, before: _Known | None) -> _Step:
        identity = item.identity
        after = _Known(item.data_digest, before.revision + 1 if before else 1, item.size, pending={})
        self._known[identity] = after
        by = codec.mark(identity.series, identity.instance, item.data_digest)
        if before is not None:
            by -= codec.mark(identity.series, identity.instance, before.data_digest)
        for parent in (self._studies[identity.study], self._series[identity[:2]]):
            parent.moved += by
            parent.instances += before is None
            parent.bytes += item.size - (before.size if before else 0)
        self._studies[identity.study].latest = item.study
        self._series[identity[:2]].latest = item.series
        return _Step(item, status, before, after)

    # writing

    def _write(self, steps: list[_Step]) -> None:
        sequence = self._connection.execute(_NEXT, {"count": len(steps)}).scalar_one() - len(steps)
        rows = []
        for number, step in enumerate(steps, sequence + 1):
            step.sequence = number
            rows.append(self._instance(step))
        self._end(steps)
        ids = self._connection.execute(_NEW_INSTANCES, rows).scalars()
        for step, row in zip(steps, ids, strict=True):
            assert step.after is not None
            step.after.row = row
        self._keep_lines(steps)
        self._connection.execute(_NEW_CHANGES, [self._change(step) for step in steps])
        for step, row in zip(steps, (step.after.row for step in steps if step.after), strict=True):
            self._values += codec.value_rows(QueryLevel.INSTANCE, row, step.item.instance)
        self._finish()
        if self._values:
            codec.insert_once(self._connection, t.search_value, self._values)

    def _replace_values(self, level: QueryLevel, parent: _Parent, new: bool) -> None:
        """The searchable values of a study or series are those of its latest instance."""
        assert parent.latest is not None
        row = parent.row["id"]
        if not new:
            self._connection.execute(_OLD_VALUES, {"at": int(level), "row": row})
        self._values += codec.value_rows(level, row, parent.latest)

    def _keep_lines(self, steps: list[_Step]) -> None:
        lines = [
            {"instance_id": step.after.row, "line": codec.encode_line(step.item.line)}
            for step in steps
            if step.after is not None and step.item.line
        ]
        if lines:
            self._connection.execute(_NEW_LINES, lines)

    def _instance(self, step: _Step) -> dict[str, Any]:
        """The row of a step; ends the row before it when that is of this batch too."""
        identity, after = step.item.identity, step.after
        assert after is not None and after.pending is not None
        study, series = self._studies[identity.study], self._series[identity[:2]]
        version = study.row["version"] + 1
        quarantined = step.status == "quarantined"
        row = codec.instance_columns(step.item)
        row["series_id"] = series.row["id"]
        row["revision"] = after.revision
        row["since_sequence"], row["since_version"] = step.sequence, version
        row["until_sequence"], row["until_version"] = (step.sequence, version) if quarantined else (None, None)
        after.pending = row
        if step.status == "replaced" and step.before is not None and step.before.pending is not None:
            step.before.pending.update(until_sequence=step.sequence, until_version=version)
        study.sequence = step.sequence
        series.sequence = series.sequence if quarantined else step.sequence
        study.entries.append(_entry(step))
        return row

    def _end(self, steps: list[_Step]) -> None:
        ended = [
            {"row": s.before.row, "sequence": s.sequence, "version": self._version(s)}
            for s in steps
            if s.status == "replaced" and s.before is not None and s.before.pending is None
        ]
        if ended:
            self._connection.execute(_END, ended)

    def _version(self, step: _Step) -> int:
        return int(self._studies[step.item.identity.study].row["version"]) + 1

    def _change(self, step: _Step) -> dict[str, Any]:
        identity = step.item.identity
        study = self._studies[identity.study]
        return {
            "sequence": step.sequence,
            "time": self._now,
            "action": step.status,
            "study": identity.study,
            "series": identity.series,
            "instance": identity.instance,
            "version": study.row["version"] + 1,
            "digest": step.item.digest,
            "source": self._source,
            "record": study.sequence,
        }

    def _finish(self) -> None:
        stale = {key[0] for key, series in self._series.items() if self._finish_series(*key, series)}
        for uid, study in self._studies.items():
            if study.sequence is not None:
                self._finish_study(uid, study, uid in stale)
        for uid, study in self._studies.items():
            if study.sequence is not None:
                self._log(uid, study.sequence, self._record(study))

    def _finish_series(self, study_uid: str, uid: str, series: _Parent) -> bool:
        """True when the modalities of the study must be gathered anew."""
        if series.latest is None:
            return False
        changed = _changed(QueryLevel.SERIES, series)
        if series.new or changed:
            self._replace_values(QueryLevel.SERIES, series, series.new)
        values = _counted(series) | changed
        self._connection.execute(_ONE_SERIES, {"row": series.row["id"]} | values)
        modality = values.get("modality", series.row["modality"])
        study = self._studies[study_uid]
        study.row["series_count"] += series.new
        if series.new and modality and f"\\{modality}\\" not in study.row["modalities"]:
            study.row["modalities"] = (study.row["modalities"] or "\\") + f"{modality}\\"
        return not series.new and modality != series.row["modality"]

    def _finish_study(self, uid: str, study: _Parent, stale: bool) -> None:
        row = study.row
        if stale:
            row["modalities"] = self._modalities(row["id"])
        values = {"sequence": study.sequence, "changed": self._now, "source": self._source}
        if study.latest is not None:
            changed, new = _changed(QueryLevel.STUDY, study), row["sequence"] == 0
            if new or changed:
                self._replace_values(QueryLevel.STUDY, study, new)
            values |= _counted(study) | changed
            values["series_count"], values["modalities"] = row["series_count"], row["modalities"]
            values["bytes"] = row["bytes"] + study.bytes
        self._connection.execute(_STUDY, {"row": row["id"]} | values)

    def _modalities(self, study: int) -> str:
        found = self._connection.execute(
            select(_R.modality).where(_R.study_id == study, func.coalesce(_R.modality, "") != "").distinct()
        ).scalars()
        names = sorted(str(name) for name in found)
        return "\\" + "\\".join(names) + "\\" if names else ""

    def _record(self, study: _Parent) -> Record:
        return {
            "format": 1,
            "sequence": study.sequence,
            "time": datetime.fromtimestamp(self._now, UTC).isoformat(),
            "cause": "store",
            "source": self._source,
            "instances": study.entries,
        }


def _counted(parent: _Parent) -> dict[str, Any]:
    return {
        "state": codec.moved(parent.row["state"], parent.moved),
        "sequence": parent.sequence,
        "instance_count": parent.row["instance_count"] + parent.instances,
    }


def _changed(level: QueryLevel, parent: _Parent) -> dict[str, Any]:
    """Columns of the latest attributes, none when the row has them already."""
    assert parent.latest is not None
    columns = codec.attributes(level, parent.latest)
    row = parent.row
    return columns if any(row[name] != value for name, value in columns.items()) else {}


def _entry(step: _Step) -> dict[str, Any]:
    item = step.item
    return {
        "study": item.identity.study,
        "series": item.identity.series,
        "instance": item.identity.instance,
        "sequence": step.sequence,
        "digest": item.digest,
        "data": item.data_digest,
        "size": item.size,
        "syntax": item.transfer_syntax,
        "location": item.location,
        "outcome": step.status,
    }


def _outcome(step: _Step) -> Outcome:
    known = step.after or step.before
    kept = step.status in ("refused", "quarantined")
    reason = "another instance is stored under these UIDs" if kept else ""
    row = known.row if known is not None and step.status != "refused" else 0
    return Outcome(step.status, step.item.identity, reason, step.item.sop_class, row, Cause.DUPLICATE if kept else None)


def _parts(values: list[str]) -> Iterable[list[str]]:
    """IN lists of a bearable length."""
    for start in range(0, len(values), _PART):
        yield values[start : start + _PART]
