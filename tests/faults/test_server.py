"""Servers whose processes die."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pacs.cli.crew import FIRST, LONGEST, Job
from tests.faults.server import Server, all_stored, stow, until
from tests.faults.work import Place, check_whole, new_place, settle, sha256
from tests.made_files import part10


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path / "place")


def configured(place: Place, memory: int = 1 << 20, quiet: float = 0.1) -> Path:
    path = place.folder / "config.json5"
    wado = {"rootDir": str(place.folder / "root"), "receiveMemoryBytes": memory}
    path.write_text(json.dumps({"staticWadoConfig": wado, "dicomWebServerConfig": {"quietSeconds": quiet}}))
    return path


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_processes_that_die_are_started_again(place: Place) -> None:
    config = configured(place, memory=0)
    with Server(config, workers=2) as server:
        before = until(lambda: len(found := server.children()) == 2 and found)
        for process in before:
            process.kill()
        dead = {one.pid for one in before}
        after = until(lambda: len(found := [one for one in server.children() if one.pid not in dead]) == 2 and found)
        log = server.log.read_text()
        assert "answering process 2 ended (by SIGKILL); starting it again" in log
        assert "background process ended (by SIGKILL); starting it again" in log
        assert stow(server.port, [part10("1.5", "1.5.1", "1.5.1.1")])[0] == 200
        until(lambda: (place.folder / "root" / "studies" / "1.5" / "index.json").exists())
        until(lambda: not list((place.folder / "root" / "incoming").glob("*")))
    until(lambda: all(gone(one) for one in after))


def test_nothing_outlives_a_server_that_is_killed(place: Place) -> None:
    with Server(configured(place), workers=2) as server:
        children = until(lambda: len(found := server.children()) == 2 and found)
        assert server.get("/health")[0] == 200
        server.process.kill()
        server.process.wait()
        until(lambda: all(gone(one) for one in children))


def test_pauses_between_restarts_grow_to_a_limit() -> None:
    said: list[str] = []
    job = Job("worker", exit, (3,))
    job.start()
    pauses = []
    for _ in range(9):
        assert job.process is not None
        job.process.join() if not pauses else None
        pauses.append(job.pause)
        job.ended(said.append)
        job.process = _Dead()  # type: ignore[assignment]
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-1] == LONGEST
    assert said[0] == f"worker ended (exit code 3); starting it again in {FIRST:g} s"


class _Dead:
    exitcode = -11

    def close(self) -> None:
        pass


def sent(number: int, thread: int) -> list[bytes]:
    """Some new instances, one that replaces, one sent before."""
    study = f"1.{thread}"
    new = [part10(study, f"{study}.1", f"{study}.1.{number}.{k}", number=number, side=64, seed=number) for k in (1, 2)]
    again = part10(study, f"{study}.1", f"{study}.1.0", comment=f"state {number}")
    return [*new, again, part10(study, f"{study}.1", f"{study}.1.1.1", number=1, side=64, seed=1)]


class Sender(threading.Thread):
    """Sends until told to stop; keeps what was acknowledged."""

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number, self.port = number, 0
        self.acknowledged: list[bytes] = []
        self.faults: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        for number in _counting():
            if self.done.is_set():
                return
            files = sent(number, self.number)
            try:
                answer = stow(self.port, files)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
                continue
            if all_stored(answer):
                self.acknowledged += files
            else:
                self.faults.append(str(answer))


def _counting() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


@pytest.mark.parametrize("memory", [1 << 20, 0], ids=["shelved-first", "landed-first"])
def test_what_was_acknowledged_survives_kills_of_the_server(place: Place, memory: int) -> None:
    config = configured(place, memory)
    dice = random.Random(memory)
    senders = [Sender(1), Sender(2)]
    for round_ in range(3):
        with Server(config, workers=2) as server:
            for sender in senders:
                sender.port = server.port
                if round_ == 0:
                    sender.start()
            so_far = [len(sender.acknowledged) for sender in senders]
            until(lambda: all(len(s.acknowledged) > n + 4 for s, n in zip(senders, so_far, strict=True)))  # noqa: B023
            time.sleep(dice.uniform(0, 0.5))
            server.kill()
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
        assert sender.faults == []
    services = place.open()
    check_whole(services, [("stored", digest) for sender in senders for digest in map(sha256, sender.acknowledged)])
    settle(services)
    check_whole(services, [("stored", digest) for sender in senders for digest in map(sha256, sender.acknowledged)])
    services.close()
