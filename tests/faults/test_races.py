"""Two processes, a thousand times, with different bytes under one UID triple: through both doors, published at once."""

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from pacs.convert.documents import shown_by, unpack_document
from pacs.domain import layout
from pacs.domain.model import Identity
from tests.faults.work import Place, create, new_place, receive, sha256
from tests.made_files import part10

ROUNDS, OF_A_SERIES, OF_A_STUDY = 1000, 8, 125


def identity(number: int) -> Identity:
    study = f"1.{number // OF_A_STUDY + 1}"
    series = f"{study}.{number // OF_A_SERIES + 1}"
    return Identity(study, series, f"{series}.{number}")


def file_of(who: int, number: int) -> bytes:
    """Pixels, bulk value and attributes all tell whose it is; one has frames apart and the other has them packed."""
    return part10(*identity(number), number=number, comment=f"of {who}", seed=who, bulk=bytes([who]) * 80, frames=1 + who * 3)


def contend(place: Place, who: int, start: Barrier) -> None:
    """One of the two: stores its bytes, each time by the other door, and publishes at once."""
    services = place.open()
    for number in range(ROUNDS):
        door = receive if (number + who) % 2 else create
        study, series, _ = identity(number)
        file = file_of(who, number)
        start.wait(60)
        [(status, _)] = door(services, (file,))
        assert status in ("stored", "replaced")
        services.publisher.series_metadata(study, series)
        if number % 5 == who:
            services.settler.settle()
        start.wait(60)
        stored = shown_by(services.storage.get(layout.series_metadata(study, series)))
        now = services.repository.shown(study, series)
        assert stored is not None and now is not None and stored.state == now.state, f"round {number}: a stale document"
    services.close()


@pytest.fixture(scope="module")
def contended(memory: Path) -> Iterator[Place]:
    place = Place(new_place(memory / "contended").folder, memory=0)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    both = [context.Process(target=contend, args=(place, who, start)) for who in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    yield place
    shutil.rmtree(place.folder)


def test_never_a_mixed_instance_and_every_revision_is_in_history(contended: Place) -> None:
    services = contended.open()
    for number in range(ROUNDS):
        now = services.repository.instance(identity(number))
        assert now is not None
        rows = services.repository.instances(now.identity.study, now.identity.series, at=now.since - 1)
        [before] = [row for row in rows if row.identity == now.identity]
        files = {sha256(file): file for file in (file_of(0, number), file_of(1, number))}
        assert {now.digest, before.digest} == set(files)
        for row in (now, before):
            assert b"".join(map(bytes, services.retrieve.file(row))) == files[row.digest]
        place = services.retrieve.frame_place(now.identity)
        frames = b"".join(services.retrieve.frame(place, k) for k in range(1, place.frames.count + 1))
        assert files[now.digest].endswith(frames) and len(frames) == 16 * now.frames.count
    assert services.repository.counts()[2] == ROUNDS
    services.close()


def test_never_a_stale_document(contended: Place) -> None:
    services = contended.open()
    for series in {identity(number)[:2] for number in range(ROUNDS)}:
        data = services.storage.get(layout.series_metadata(*series))
        shown = services.repository.shown(*series)
        assert shown is not None and (stored := shown_by(data)) is not None and stored.state == shown.state
        rows = services.repository.instances(*series)
        comments = [one["00204000"]["Value"][0] for one in json.loads(unpack_document(data))]
        for row, comment in zip(rows, comments, strict=True):
            number = int(row.identity.instance.rpartition(".")[2])
            assert sha256(file_of(int(comment[-1]), number)) == row.digest
    services.close()
