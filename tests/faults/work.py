"""The work that is disturbed, what must hold after it, and the state that two runs are compared by."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pacs.bootstrap import Services, assemble
from pacs.config import Settings
from pacs.convert.documents import shown_by, state_of, unpack_document
from pacs.domain import layout
from pacs.domain.errors import IndexFault
from pacs.domain.model import Incoming, Instance
from pacs.domain.query import Query, QueryLevel
from pacs.repository.engine import make_engine
from pacs.repository.migrate import migrate
from pacs.repository.sql import SqlRepository
from pacs.services.retrieve import Target
from pacs.storage.disk import DiskStorage
from tests.faults.trip import Trip, Wired, database_fault, raising, wire_engine
from tests.made_files import part10

BEFORE = (
    part10("1.1", "1.1.1", "1.1.1.1", number=1, comment="first", bulk=b"a" * 100),
    part10("1.1", "1.1.1", "1.1.1.2", number=2),
)
BATCH = (
    part10("1.1", "1.1.1", "1.1.1.1", number=1, comment="second", bulk=b"b" * 100),  # replaces
    part10("1.1", "1.1.1", "1.1.1.2", number=2),  # unchanged
    part10("1.1", "1.1.2", "1.1.2.1", series_number=2, modality="MR"),
    b"no DICOM at all",
    part10("1.2", "1.2.1", "1.2.1.1", number=1, frames=4, bulk=b"c" * 90),  # packed
    part10("1.2", "1.2.1", "1.2.1.2", number=2, bulk=b"c" * 90),
)
STATUSES = ["replaced", "unchanged", "stored", "refused", "stored", "stored"]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Painter:
    """Draws at once what a pool of processes would draw."""

    def render(self, picture: Any, frames: Sequence[bytes], *_: Any, **__: Any) -> bytes:
        return b"picture of " + sha256(b"".join(frames)).encode()

    def placeholder(self, text: str, size: tuple[int, int]) -> bytes:
        return text.encode()

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Place:
    """A root and its index, that services are opened on again and again."""

    folder: Path
    memory: int = 1 << 20
    """What may be received in memory: with 0 everything goes through ``incoming/``."""

    @property
    def settings(self) -> Settings:
        wado = {
            "rootDir": str(self.folder / "root"), "packFramesOver": 2, "bulkdataOver": 64, "receiveMemoryBytes": self.memory
        }  # fmt: skip
        return Settings.model_validate({"staticWadoConfig": wado})

    def open(self, storage: Trip | None = None, repository: Trip | None = None, database: Trip | None = None) -> Services:
        """Services of their own, as a fresh process has them, with the wires given."""
        settings = self.settings
        engine = make_engine(settings.database_url)
        if database is not None:
            wire_engine(engine, database)
        disk: Any = DiskStorage(settings.root)
        rows: Any = SqlRepository(engine)
        painter: Any = Painter()
        services = assemble(
            settings,
            disk if storage is None else Wired(disk, storage),
            rows if repository is None else Wired(rows, repository),
            painter,
        )
        for trip in (storage, repository, database):
            if trip is not None:
                trip.armed = True
        return services

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def copy(self, folder: Path) -> "Place":
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)


def new_place(folder: Path) -> Place:
    """An empty one."""
    place = Place(folder)
    migrate(place.settings.database_url)
    return place


# the work


def receive(services: Services, files: tuple[bytes, ...] = BATCH) -> list[tuple[str, str]]:
    """The network door; (status, SHA-256) of each file, when all was acknowledged."""
    parts = []
    try:
        for file in files:
            parts.append(services.store.begin())
            parts[-1].write(file[:200])
            parts[-1].write(file[200:])
    except BaseException:
        for part in parts:
            part.discard()
        raise
    outcomes = services.store.received(parts, "stow")
    return [(outcome.status, sha256(file)) for outcome, file in zip(outcomes, files, strict=True)]


def create(services: Services, files: tuple[bytes, ...] = BATCH) -> list[tuple[str, str]]:
    """The command's door."""
    found = services.store.prepare(files)
    outcomes = iter(services.store.commit([one for one in found if isinstance(one, Incoming)], "create"))
    return [
        ("refused" if isinstance(one, str) else next(outcomes).status, sha256(file))
        for one, file in zip(found, files, strict=True)
    ]


def fail_at(place: Place, step: str, files: tuple[bytes, ...]) -> None:
    """Files received whose transaction fails at that step of the database."""
    counted = Trip()
    shutil.rmtree(place.folder.with_name("counted"), ignore_errors=True)
    services = place.copy(place.folder.with_name("counted")).open(database=counted)
    receive(services, files)
    services.close()
    services = place.open(database=Trip(counted.names.index(step) + 1, raising(database_fault)))
    with pytest.raises(IndexFault):
        receive(services, files)
    services.close()


def settle(services: Services) -> list[tuple[str, str]]:
    while services.settler.settle():
        pass
    return []


def publish(services: Services) -> list[tuple[str, str]]:
    for study in studies(services):
        services.publisher.seal_study(study)
    return []


WORK: dict[str, tuple[Callable[[Services], list[tuple[str, str]]], ...]] = {
    "receive": (receive,),
    "land": (receive,),
    "settle": (receive, settle),
    "create": (create,),
    "publish": (receive, publish),
}
"""Name -> the steps before, undisturbed, and at the end the one that is disturbed."""
THROUGH_FILES = ("land", "settle", "publish")
"""The work of these names receives into files, not into memory."""


def for_work(place: Place, name: str) -> Place:
    return replace(place, memory=0) if name in THROUGH_FILES else place


def complete(services: Services, name: str) -> None:
    """The same work again, to its end."""
    door = WORK[name][0]
    assert {status for status, _ in door(services)} <= {"replaced", "unchanged", "stored", "refused"}
    settle(services)
    publish(services)


# what must hold


def studies(services: Services) -> list[str]:
    return sorted(row.identity[0] for row in services.repository.search(Query(QueryLevel.STUDY, limit=1000)).rows)


def history(services: Services, study: str) -> list[Instance]:
    """Every revision that was ever current, oldest first."""
    shown = services.repository.shown(study)
    found: dict[int, Instance] = {}
    at = shown.sequence if shown else 0
    while rows := services.repository.instances(study, at=at):
        found.update({row.row: row for row in rows})
        at = max(row.since for row in rows) - 1
    return sorted(found.values(), key=lambda row: row.since)


def check_whole(services: Services, acknowledged: list[tuple[str, str]] = []) -> None:  # noqa: B006 - never changed
    """What was acknowledged is there byte for byte, and nothing is half visible."""
    known = set()
    wholes: dict[int, bytes] = {}
    for study in studies(services):
        rows = history(services, study)
        for row in rows:
            file = b"".join(map(bytes, services.retrieve.file(row)))
            assert sha256(file) == row.digest
            known.add(row.digest)
            wholes[row.row] = file
        check_documents(services, study)
        page = services.repository.search(Query(QueryLevel.STUDY, study=study)).rows
        current = services.repository.instances(study)
        assert page[0].instances[0] == len(current)
        assert page[0].series_count == len({row.identity.series for row in current})
        for row in current:
            for number in range(1, row.frames.count + 1):
                place = services.retrieve.frame_place(row.identity)
                frame = services.retrieve.frame(place, number)
                assert len(frame) >= 16 and frame in wholes[row.row]
            for value in row.bulk:
                source = services.retrieve.bulk.by_digest(study, value.sha256).source
                assert sha256(b"".join(map(bytes, source.pieces(0)))) == value.sha256
    for status, digest in acknowledged:
        assert status == "refused" or digest in known, f"{status} and gone"


def check_documents(services: Services, study: str) -> None:
    """What is served shows the rows; what lies there shows what it says it shows."""
    current = services.repository.instances(study)
    shown = services.repository.shown(study)
    assert shown is not None and shown.state == state_of(current)
    for series in services.repository.series_of(study):
        key = layout.series_metadata(study, series)
        before = services.storage.get(key) if services.storage.exists(key) else None
        document, said = services.publisher.series_metadata(study, series)
        rows = [row for row in current if row.identity.series == series]
        assert said.state == state_of(rows)
        assert json.loads(unpack_document(document)) == [json.loads(services.retrieve.metadata(Target(*row.identity)).body)[0]
                                                         | _uris(document, at) for at, row in enumerate(rows)]  # fmt: skip
        if before is not None and (was := shown_by(before)) is not None:
            assert was.sequence <= said.sequence
            assert was.state != said.state or unpack_document(before) == unpack_document(document)


def _uris(document: bytes, at: int) -> dict[str, Any]:
    """The members of a line that hold a URI, which is relative to its document."""
    return {tag: member for tag, member in json.loads(unpack_document(document))[at].items() if "BulkDataURI" in member}


def snapshot(services: Services) -> dict[str, Any]:
    """All that two runs of the same work must have in common: no sequences, times, batch borders."""
    found: dict[str, Any] = {"counts": services.repository.counts()}
    for study in studies(services):
        found[study] = [
            (row.identity, row.digest, row.data_digest, row.transfer_syntax, row.size, row.location, row.frames,
             [(value.path, value.sha256) for value in row.bulk])
            for row in sorted(history(services, study), key=lambda row: (row.identity, row.since))
        ]  # fmt: skip
        found[study].append(services.retrieve.metadata(Target(study)).body)
    for key in services.storage.list("studies"):
        kind = key.split("/")[2]
        if kind == "log":
            raise AssertionError(f"{key} was not folded into a version")
        data = services.storage.get(key)
        if "/base/" in key:
            continue  # chosen by what was shelved together
        if kind == "versions":
            lines = gzip.decompress(data).splitlines()
            found.setdefault(f"logged {key.split('/')[1]}", []).extend(
                (one["instance"], one["digest"], one["outcome"]) for line in lines for one in json.loads(line)["instances"]
            )
        else:
            found[key] = "as its digest says" if key.endswith("/shell") else unpack_document(data) if shown_by(data) else data
    for name in [name for name in found if name.startswith("logged")]:
        found[name].sort()
    return found


def below(services: Services, folder: str) -> list[Path]:
    """What lies in ``tmp`` or ``incoming``."""
    return sorted(Path(services.settings.root, folder).glob("*"))
