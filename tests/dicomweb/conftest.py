"""One archive a state for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.dicomweb.served import Archive, fill


def _archive(factory: pytest.TempPathFactory, settled: bool) -> Iterator[Archive]:
    found = fill(factory.mktemp("archive") / "root", settled)
    yield found
    found.services.close()


@pytest.fixture(scope="session")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Nothing is converted yet."""
    yield from _archive(tmp_path_factory, False)


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Everything is converted and published."""
    yield from _archive(tmp_path_factory, True)


@pytest.fixture(params=["received", "settled"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Each state in turn: answers are the same."""
    found: Archive = request.getfixturevalue(request.param)
    return found
