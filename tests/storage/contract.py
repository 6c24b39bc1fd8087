"""What every storage does; a suite of a kind subclasses this and gives ``storage``."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from pacs.domain.errors import NotFound, StorageFault
from pacs.domain.ports import Storage
from pacs.storage.keys import Files

BAD = ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a\0b", "tmp/a", "a/\udc80"]


class StorageContract:
    """Tests of the ``Storage`` port."""

    def test_put_get_replace(self, storage: Storage) -> None:
        storage.put("a/b~1.x-y", b"one")
        storage.put("a/b~1.x-y", memoryview(b"three"))
        assert storage.get("a/b~1.x-y") == b"three"
        assert storage.size("a/b~1.x-y") == 5
        assert storage.read("a/b~1.x-y", 1, 2) == b"hr"
        assert storage.read("a/b~1.x-y", 4, 9) == b"e"
        assert storage.exists("a/b~1.x-y") and not storage.exists("a")

    @pytest.mark.parametrize("key", ["none", "a/none", "a/b/under-a-value", "a"])
    def test_missing(self, storage: Storage, key: str) -> None:
        storage.put("a/b", b"")
        for act in (storage.get, storage.size, lambda k: storage.read(k, 0, 1)):
            with pytest.raises(NotFound):
                act(key)
        with pytest.raises(NotFound), storage.view(key):
            pass
        storage.delete(key)
        assert storage.exists("a/b")

    @pytest.mark.parametrize("key", BAD)
    def test_bad_keys(self, storage: Storage, key: str) -> None:
        for act in (storage.get, storage.delete, storage.exists, storage.receive, storage.path):
            with pytest.raises(StorageFault):
                act(key)
        with pytest.raises(StorageFault):
            storage.put(key, b"")
        with pytest.raises(StorageFault):
            storage.claim([(key, {"x": [b""]})])

    @pytest.mark.parametrize("name", ["..", "a/b/c", "", "/x", "../x"])
    def test_bad_names(self, storage: Storage, name: str) -> None:
        with pytest.raises(StorageFault):
            storage.claim([("f", {name: [b""]})])
        assert list(storage.list("")) == []

    def test_folder_and_value_clash(self, storage: Storage) -> None:
        storage.put("a/b", b"")
        for key in ("a", "a/b/c"):
            with pytest.raises(StorageFault):
                storage.put(key, b"x")
        assert list(storage.list("")) == ["a/b"]

    def test_view(self, storage: Storage) -> None:
        storage.put("v", b"abc")
        storage.put("empty", b"")
        with storage.view("v") as view:
            assert bytes(view[1:]) == b"bc"
        with storage.view("empty") as view:
            assert bytes(view) == b""

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_land(self, storage: Storage, count: int) -> None:
        receivers = [storage.receive(f"in/{number}") for number in range(count)]
        for number, receiver in enumerate(receivers):
            receiver.__enter__().write(b"value %d" % number)
            with receiver.view() as view:
                assert bytes(view) == b"value %d" % number
        assert list(storage.list("in")) == []
        storage.land(receivers)
        for number, receiver in enumerate(receivers):
            receiver.__exit__(None, None, None)
            assert storage.get(f"in/{number}") == b"value %d" % number

    def test_create(self, storage: Storage) -> None:
        assert storage.create("a/k", b"1")
        assert not storage.create("a/k", b"2")
        assert storage.get("a/k") == b"1"

    def test_list_sorted(self, storage: Storage) -> None:
        keys = ["a", "a.b", "b/c/d", "b/c.d", "b-c", "bb/x"]
        for key in keys:
            storage.put(key, b"")
        assert list(storage.list("")) == sorted(keys)
        assert list(storage.list("b")) == list(storage.list("b/")) == ["b/c.d", "b/c/d"]
        assert list(storage.list("none")) == list(storage.list("a")) == []

    def test_delete(self, storage: Storage) -> None:
        for key in ("a/b/1", "a/b/2", "a/c", "ab"):
            storage.put(key, b"")
        storage.delete("none/at/all")
        storage.delete_tree("none")
        storage.delete_tree("a/b")
        assert list(storage.list("")) == ["a/c", "ab"]
        storage.delete("a/c")
        assert storage.claim([("a", {"frames/1": [b"x"]})]) == [True]
        with pytest.raises(StorageFault):
            storage.delete_tree("")

    def test_receive(self, storage: Storage) -> None:
        with storage.receive("r/x") as receiver:
            receiver.write(b"a")
            receiver.write(bytearray(b"b"))
            assert not storage.exists("r/x")
            receiver.commit()
        with storage.receive("r/y") as receiver:
            receiver.write(b"gone")
        with pytest.raises(KeyError), storage.receive("r/z") as receiver:
            raise KeyError
        assert list(storage.list("")) == ["r/x"] and storage.get("r/x") == b"ab"

    def test_claim(self, storage: Storage) -> None:
        one: Files = {"meta": [b"a", memoryview(b"b")], "frames/1": [b"f"], "frames/2": []}
        assert storage.claim([("i/1", one), ("i/1", {"z": [b""]}), ("i/2", one)]) == [
            True,
            False,
            True,
        ]
        assert storage.claim([("i/2", one), ("i/3", one)]) == [False, True]
        assert list(storage.list("i/1")) == ["i/1/frames/1", "i/1/frames/2", "i/1/meta"]
        assert storage.get("i/1/meta") == b"ab" and storage.get("i/1/frames/2") == b""
        storage.put("v", b"")
        assert storage.claim([("v", one)]) == [False]

    def test_claim_race_of_threads(self, storage: Storage) -> None:
        for turn in range(10):
            barrier = Barrier(8)
            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(partial(contend, storage, barrier, turn), range(8)))
            check_race(storage, turn, won)

    def test_create_race_of_threads(self, storage: Storage) -> None:
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda n: storage.create("race/k", b"%d" % n), range(8)))
        assert won.count(True) == 1
        assert storage.get("race/k") == b"%d" % won.index(True)

    def test_put_against_delete(self, storage: Storage) -> None:
        def churn(number: int) -> None:
            for _ in range(20):
                storage.put(f"deep/er/{number}", b"x")
                assert storage.get(f"deep/er/{number}") == b"x"
                storage.delete(f"deep/er/{number}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(churn, range(4)))
        assert list(storage.list("")) == []

    def test_check(self, storage: Storage) -> None:
        storage.check()
        assert list(storage.list("")) == []


def contend(storage: Storage, barrier: Barrier, turn: int, number: int) -> bool:
    """Try to publish the folder of this turn with this contender's mark."""
    mark = b"%d" % number
    barrier.wait()
    files = {"meta": [mark], "frames/1": [mark], f"own-{number}": [mark]}
    return storage.claim([(f"race/{turn}", files)])[0]


def check_race(storage: Storage, turn: int, won: list[bool]) -> None:
    """Exactly one winner, and nothing of another."""
    assert won.count(True) == 1
    winner = won.index(True)
    keys = list(storage.list(f"race/{turn}"))
    assert keys == [f"race/{turn}/{n}" for n in ("frames/1", "meta", f"own-{winner}")]
    assert {storage.get(key) for key in keys} == {b"%d" % winner}
