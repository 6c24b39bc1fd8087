"""A root with something in it, copied for each case."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.work import BEFORE, Place, complete, create, for_work, new_place, publish, snapshot


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of cases sync their files, and no power is cut here."""
    shared = "/dev/shm"
    folder = tempfile.mkdtemp(prefix="faults", dir=shared if os.access(shared, os.W_OK) else None)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(memory: Path) -> Place:
    """A place with the two instances that are there before."""
    place = new_place(memory / "template")
    services = place.open()
    create(services, BEFORE)
    publish(services)
    services.close()
    return place


@pytest.fixture
def places(template: Place, memory: Path) -> Iterator[Callable[[], Place]]:
    """A copy of the template at each call, instead of the one before."""
    folder = memory / "place"

    def copy() -> Place:
        shutil.rmtree(folder, ignore_errors=True)
        return template.copy(folder)

    yield copy
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(template: Place, memory: Path) -> Callable[[str], dict[str, object]]:
    """The state after the work of that name, done without a fault."""
    known: dict[str, dict[str, object]] = {}

    def run(name: str) -> dict[str, object]:
        if name not in known:
            services = for_work(template.copy(memory / f"undisturbed-{name}"), name).open()
            complete(services, name)
            known[name] = snapshot(services)
            services.close()
        return known[name]

    return run
