"""What a fault leaves lies there no longer than it must, and stands in the way of nothing else."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pacs.bootstrap import Services
from pacs.domain import layout
from pacs.domain.errors import StorageFault
from pacs.repository.migrate import migrate
from pacs.services.sweep import Sweeper
from tests.faults.work import BATCH, Place, below, check_whole, fail_at, receive, settle

AGE = 3600.0


def sweeper(services: Services) -> Sweeper:
    return Sweeper(services.storage, services.repository, services.store._rules.limits, AGE)


def age(path: Path) -> None:
    """As if nobody had touched it for two hours."""
    then = time.time() - 2 * AGE
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))


@pytest.fixture
def place(places: Callable[[], Place]) -> Place:
    return Place(places().folder, memory=0)


def test_sweep_takes_old_building_sites_whole_and_leaves_new_ones(place: Place) -> None:
    services = place.open()
    tmp = Path(services.settings.root, "tmp")
    for name in ("old", "new"):
        (tmp / name / "frames").mkdir(parents=True)
        (tmp / name / "frames" / "1").write_bytes(b"x")
        (tmp / f"{name}-file").write_bytes(b"x")
        if name == "old":
            age(tmp / name), age(tmp / "old-file")
    inside = tmp / "new"
    os.utime(inside, (0, 0))  # the folder is old, what is written in it is not
    assert sweeper(services).sweep() == 2
    assert [path.name for path in below(services, "tmp")] == ["new", "new-file"]
    services.close()


def test_sweep_keeps_what_a_row_names_and_what_is_new(place: Place) -> None:
    services = place.open()
    receive(services)
    kept = below(services, "incoming")
    assert kept
    for path in kept:
        age(path)
    services.storage.put(layout.incoming("new"), b"nobody knows this yet")
    assert sweeper(services).sweep() == 0
    assert len(below(services, "incoming")) == len(kept) + 1
    age(Path(services.settings.root, "incoming", "new"))
    assert sweeper(services).sweep() == 1
    assert below(services, "incoming") == kept
    settle(services)
    check_whole(services)
    services.close()


def test_sweep_takes_what_was_received_in_vain(place: Place) -> None:
    fail_at(place, "INSERT", BATCH[4:5])
    services = place.open()
    [path] = below(services, "incoming")
    assert sweeper(services).sweep() == 0
    age(path)
    assert sweeper(services).sweep() == 1
    assert below(services, "incoming") == []
    services.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_sweep_keeps_what_only_the_log_names(place: Place, sealed: bool) -> None:
    """The index is lost: files and log records are all there is, and an index is made again from them."""
    services = place.open()
    receive(services, BATCH[4:5])
    if sealed:
        services.publisher.seal_study("1.2")
    services.close()
    index = Path(place.settings.database_url.removeprefix("sqlite:///"))
    for path in index.parent.glob(index.name + "*"):
        path.unlink()
    migrate(place.settings.database_url)
    services = place.open()
    [path] = below(services, "incoming")
    age(path)
    assert sweeper(services).sweep() == 0
    assert below(services, "incoming") == [path]
    services.close()


def test_a_store_whose_file_was_swept_meanwhile_fails(place: Place) -> None:
    """Hours lie between landing and COMMIT, as on a computer that slept: no row may name a file that is gone."""
    services = place.open()
    store = services.repository.store

    def slow(*args: object) -> object:
        for path in below(services, "incoming"):
            age(path)
        assert sweeper(services).sweep() == 1
        return store(*args)  # type: ignore[arg-type]

    services.repository.store = slow  # type: ignore[method-assign,assignment]
    with pytest.raises(StorageFault, match="is gone"):
        receive(services, BATCH[4:5])
    check_whole(services)
    assert services.repository.shown("1.2") is None
    services.close()


def test_a_row_read_before_its_instance_was_replaced_and_settled_is_still_opened(place: Place) -> None:
    services = place.open()
    receive(services, BATCH[:1])
    [row] = [row for row in services.repository.instances("1.1") if layout.is_incoming(row.location)]
    receive(services, (BATCH[0].replace(b"second", b"third "),))
    settle(services)
    assert services.repository.instance(row.identity) != row
    assert b"".join(map(bytes, services.retrieve.file(row))) == BATCH[0]
    assert b"second" in services.publisher._opener.line(row)
    services.close()


def test_no_sweep_with_age_0(place: Place) -> None:
    services = place.open()
    assert sweeper(services).due()
    assert not Sweeper(services.storage, services.repository, services.store._rules.limits, 0).due()
    once = sweeper(services)
    once.sweep()
    assert not once.due()
    services.close()


@pytest.mark.parametrize("spoil", ["lost", "cut"])
def test_a_received_file_that_cannot_be_settled_holds_up_no_other(place: Place, spoil: str) -> None:
    services = place.open()
    receive(services, BATCH[4:])
    bad = services.repository.received(1)[0]
    path = Path(services.settings.root, bad.location)
    whole = path.read_bytes()
    path.unlink() if spoil == "lost" else path.write_bytes(whole[:400])
    for _ in range(5):
        services.settler.settle()
    assert [row.row for row in services.repository.received(10)] == [bad.row]
    assert services.settler.settle() == 0, "it rests"
    services.close()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(whole)
    services = place.open()
    settle(services)
    assert services.repository.received(10) == []
    check_whole(services)
    services.close()
