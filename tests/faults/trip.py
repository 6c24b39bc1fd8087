"""Wires around storage, repository and database: at the n-th step that is counted, something goes wrong."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from pacs.domain.errors import IndexFault, StorageFault, StorageFull

UNCOUNTED = frozenset(("path", "close", "local"))
READS = frozenset((
    "get", "read", "size", "exists", "view", "list", "check", "received", "instance", "frame_place", "instances", "shown",
    "series_of", "search", "unsealed", "unpublished", "standing", "named", "older", "bulk_received", "counts",
))  # fmt: skip
OS_STEPS = (
    "open", "close", "write", "writev", "pwrite", "fsync", "fdatasync", "rename", "replace", "link", "unlink", "remove",
    "mkdir", "makedirs", "rmdir", "sendfile", "copy_file_range", "syncfs",
)  # fmt: skip


class Trip:
    """Counts steps; ``act(name)`` at step ``at`` (from 1), once."""

    def __init__(self, at: int = 0, act: Callable[[str], None] = lambda name: None) -> None:
        self.at, self.act = at, act
        self.names: list[str] = []
        self.armed = False

    def __call__(self, name: str) -> None:
        if not self.armed:
            return
        self.names.append(name)
        if len(self.names) == self.at:
            self.act(name)


def raising(make: Callable[[], BaseException]) -> Callable[[str], None]:
    """An act that raises."""

    def act(name: str) -> None:
        raise make()

    return act


def kill(name: str) -> None:
    """An act that ends the process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def database_fault() -> OperationalError:
    """What SQLAlchemy raises when the driver cannot do a statement."""
    return OperationalError("statement", {}, sqlite3.OperationalError("disk I/O error"))


FAULTS: dict[str, Callable[[], BaseException]] = {
    "StorageFault": lambda: StorageFault("injected"),
    "StorageFull": lambda: StorageFull("injected: no space left"),
    "IndexFault": lambda: IndexFault("injected"),
    "OSError": lambda: OSError(5, "injected"),
}


class Wired:
    """Any adapter, with a step before each call, and one after each that writes."""

    def __init__(self, inner: Any, trip: Trip) -> None:
        self._inner, self._trip = inner, trip

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in UNCOUNTED:
            return found
        if name == "receive":
            return self._receive
        if name == "view":
            return self._view
        if name == "land":
            return lambda receivers: self._call(name, found, [one.inner for one in receivers])
        return lambda *args, **more: self._call(name, found, *args, **more)

    def _call(self, name: str, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._trip(f"before {name}")
        result = function(*args, **more)
        if name not in READS:
            self._trip(f"after {name}")
        return result

    def _receive(self, key: str) -> "WiredReceiver":
        self._trip("before receive")  # none after it: whoever asked would not have what it must let go
        return WiredReceiver(self._inner.receive(key), self._trip)

    @contextmanager
    def _view(self, key: str) -> Iterator[memoryview]:
        self._trip("before view")
        with self._inner.view(key) as view:
            yield view


class WiredReceiver:
    """A receiver whose writes and commit are steps."""

    def __init__(self, inner: Any, trip: Trip) -> None:
        self.inner, self._trip = inner, trip

    def __enter__(self) -> "WiredReceiver":
        self.inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)

    def view(self) -> Any:
        self._trip("before view")
        return self.inner.view()

    def write(self, data: Any) -> None:
        self._trip("before write")
        self.inner.write(data)

    def commit(self) -> None:
        self._trip("before commit")
        self.inner.commit()
        self._trip("after commit")


def wire_engine(engine: Engine, trip: Trip) -> None:
    """Every statement of a write transaction is a step; so are COMMIT just before and just after it is done."""
    commit = engine.dialect.do_commit

    def committing(connection: Any) -> None:
        trip("COMMIT")
        commit(connection)
        trip("COMMITTED")

    def executing(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if connection.get_execution_options().get("writing"):
            trip(statement.split()[0])

    event.listen(engine, "before_cursor_execute", executing)
    engine.dialect.do_commit = committing  # type: ignore[method-assign]


class WiredOs:
    """The module ``os`` for one user of it: each call that changes a disk is a step."""

    def __init__(self, trip: Trip) -> None:
        self._trip = trip

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in OS_STEPS:
            return found

        def step(*args: Any, **more: Any) -> Any:
            self._trip(f"os.{name}")
            return found(*args, **more)

        return step
