"""The disk storage keeps the contract, between processes too."""

import errno
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from pacs.domain.errors import StorageFault, StorageFull
from pacs.storage.disk import DiskStorage
from pacs.storage.durable import Syncer
from tests.storage.contract import StorageContract, check_race, contend

TURNS = 10


def claim_all(root: str, barrier: Barrier, number: int, won: Any) -> None:
    storage = DiskStorage(root)
    won.put((number, [contend(storage, barrier, turn, number) for turn in range(TURNS)]))


class TestDisk(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> DiskStorage:
        return DiskStorage(str(tmp_path / "root"))

    def test_claim_race_of_processes(self, storage: DiskStorage, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        barrier, queue, root = context.Barrier(3), context.Queue(), str(tmp_path / "root")
        started = [
            context.Process(target=claim_all, args=(root, barrier, number, queue), daemon=True) for number in range(3)
        ]
        for process in started:
            process.start()
        results = dict(queue.get(timeout=60) for _ in started)
        for process in started:
            process.join()
        for turn in range(TURNS):
            check_race(storage, turn, [results[number][turn] for number in range(3)])

    def test_leaves_no_rubbish(self, storage: DiskStorage, tmp_path: Path) -> None:
        self.test_claim(storage)
        storage.create("v", b"")
        with storage.receive("x"):
            pass
        storage.delete_tree("i")
        assert os.listdir(tmp_path / "root" / "tmp") == []

    def test_full(self, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(os, "fsync", full)
        monkeypatch.setattr(Syncer, "all", full)
        for act in (
            lambda: storage.put("a", b"x"),
            lambda: storage.create("a", b"x"),
            lambda: storage.claim([("a", {"b": [b"x"]})]),
            storage.check,
        ):
            with pytest.raises(StorageFull):
                act()
        assert list(storage.list("")) == []

    def test_check_not_writable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StorageFault, match="cannot write to .*file"):
            DiskStorage(str(tmp_path / "file")).check()
