"""The write path's promises that the files of the test data do not meet by chance."""

import threading
from pathlib import Path

import pytest

from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.domain.errors import StorageFault
from pacs.domain.model import Identity, Incoming
from pacs.services.retrieve import Target
from tests.made_files import part10

ONE, TWO = Identity("1.2", "1.2.1", "1.2.1.1"), Identity("1.3", "1.3.1", "1.3.1.1")


def services_at(folder: Path, index: str, **wado: int) -> Services:
    given = {"rootDir": str(folder / "root"), "databaseUrl": f"sqlite:///{folder / index}", **wado}
    return assemble(load(None, {f"staticWadoConfig.{name}": value for name, value in given.items()}))


@pytest.mark.parametrize("over", [(4, 1, 256, 256), (2, 9, 256, 256), (2, 2, 1000, 64), (2, 2, 64, 1000), (2, 2, 256, 256)])
def test_a_folder_left_by_a_crash_is_used_again_only_where_it_fits(tmp_path: Path, over: tuple[int, ...]) -> None:
    data = part10(*ONE, frames=4, bulk=bytes(range(256)) * 2)
    first = {"packFramesOver": over[0], "bulkdataOver": over[2]}
    later = {"packFramesOver": over[1], "bulkdataOver": over[3]}
    before = services_at(tmp_path, "lost.db", **first)
    [ready] = before.store.prepare([data])
    assert isinstance(ready, Incoming)  # shelved, and never committed
    before.close()
    now = services_at(tmp_path, "now.db", **later)
    [found] = now.store.prepare([data])
    assert isinstance(found, Incoming)
    assert (found.location == ready.location) == (first == later)
    now.store.commit([found], "test")
    [row] = now.retrieve.instances(Target(*ONE))
    assert b"".join(map(bytes, now.retrieve.file(row))) == data
    place = now.retrieve.frame_place(ONE)
    pixels = b"".join(bytes(now.retrieve.frame(place, number)) for number in range(1, 5))
    assert data.endswith(pixels) and len(pixels) == 64
    for value in row.bulk:
        assert b"".join(map(bytes, now.retrieve.bulk.by_digest(ONE.study, value.sha256).source.pieces(0))) in data
    now.close()


def test_a_batch_that_cannot_be_committed_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = services_at(tmp_path, "index.db")
    bad, good = services.store.prepare([part10(*ONE), part10(*TWO)])
    assert isinstance(bad, Incoming) and isinstance(good, Incoming)
    log = services.store._log

    def failing(study: str, sequence: int, record: dict[str, object]) -> None:
        if study == ONE.study:
            raise StorageFault("this one cannot be written")
        log(study, sequence, record)

    monkeypatch.setattr(services.store, "_log", failing)
    told: dict[str, str] = {}

    def commit(one: Incoming) -> None:
        try:
            told[one.identity.study] = services.store.commit([one], "test")[0].status
        except StorageFault as fault:
            told[one.identity.study] = str(fault)

    with services.store._lock:  # both wait, and so share a commit
        threads = [threading.Thread(target=commit, args=(one,)) for one in (bad, good)]
        for thread in threads:
            thread.start()
        while len(services.store._queue) < 2:
            pass
    for thread in threads:
        thread.join(30)
    assert told == {ONE.study: "this one cannot be written", TWO.study: "stored"}
    services.close()
