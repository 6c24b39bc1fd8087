"""SIGKILL at every step on disk or in the database, during every kind of work.

After each: what was acknowledged is there byte for byte, nothing half is visible, what was being built is swept, and the
same work again ends where an undisturbed run ends.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.work import Place, below, check_whole, complete, for_work, receive, settle, snapshot

CASES = {"receive": "receive", "land": "land", "create": "create", "after": "land"}
"""What is killed -> the work of that name; ``after`` is settling and publishing what ``land`` received."""


@pytest.fixture(scope="module")
def child() -> Iterator[Callable[[dict[str, Any]], int]]:
    """Runs a case in a process of its own."""
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert nursery.stdin is not None and nursery.stdout is not None

    def run(case: dict[str, Any]) -> int:
        print(json.dumps(case), file=nursery.stdin, flush=True)
        answer = int(nursery.stdout.readline())
        assert answer >= 0, "the child failed"
        return answer

    yield run
    nursery.stdin.close()
    assert nursery.wait(20) == 0


@pytest.mark.parametrize("name", CASES)
def test_killed_at_every_step(
    name: str,
    places: Callable[[], Place],
    undisturbed: Callable[[str], dict[str, object]],
    child: Callable[[dict[str, Any]], int],
    memory: Path,
    tmp_path: Path,
) -> None:
    expected = undisturbed(CASES[name])
    start = places()
    if name == "after":
        services = for_work(start, "land").open()
        receive(services)
        services.close()
    start = start.copy(memory / f"start-{name}")
    at, killed = 1, 0
    while True:
        place = for_work(start.copy(memory / f"killed-{name}"), CASES[name])
        told = tmp_path / f"acknowledged-{at}"
        count = child({"folder": str(place.folder), "memory": place.memory, "name": name, "at": at, "acknowledged": str(told)})
        try:
            _check(place, CASES[name], told, expected)
        except AssertionError as error:
            error.add_note(f"killed at step {at}")
            raise
        place.remove()
        if count:
            break
        killed += 1
        at += 1
    assert killed == count > 20


def _check(place: Place, name: str, told: Path, expected: dict[str, object]) -> None:
    lines = told.read_text().splitlines() if told.exists() else []
    acknowledged = [(status, digest) for line in lines for status, digest in json.loads(line)]
    services = place.open()
    try:
        check_whole(services, acknowledged)
        complete(services, name)
        assert snapshot(services) == expected
        settle(services)
        services.storage.clean(float("inf"))
        assert not below(services, "tmp")
    finally:
        services.close()
