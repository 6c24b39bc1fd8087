"""Bringing a database to the schema of this program."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError

import pacs
from pacs.domain.errors import IndexFault
from pacs.repository.engine import make_engine, parse_url

_LOCK = 0x6D6B646963


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to the newest schema (or to ``revision``).  Any number of processes may do so at once."""
    path = _file(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    engine = make_engine(url)
    try:
        _probe(engine)
        with _file_lock(path), engine.connect().execution_options(writing=True) as connection, _advisory_lock(connection):
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def state(url: str) -> str:
    """``empty``, ``current``, ``older`` or ``newer`` than this program."""
    path = _file(url)
    if path is not None and not path.exists():
        return "empty"
    engine = make_engine(url)
    try:
        _probe(engine)
        with engine.connect() as connection:
            return _state(connection)
    finally:
        engine.dispose()


def _probe(engine: Engine) -> None:
    """IndexFault, in one line, when this is no database or none that can be reached."""
    try:
        with engine.connect() as connection:
            inspect(connection).has_table("study")
    except DatabaseError as fault:
        where = engine.url.render_as_string(hide_password=True)
        raise IndexFault(f"{where}: {' '.join(str(fault.orig).split())}") from None


def prepare(url: str) -> None:
    """What a starting server does: an empty database is migrated, another must be current."""
    found = state(url)
    if found == "empty":
        migrate(url)
    elif found == "older":
        raise IndexFault("database schema is older than this program: run `mkdicomweb migrate`")
    elif found == "newer":
        raise IndexFault("database schema is newer than this program: run a newer mkdicomweb")


def _state(connection: Connection) -> str:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return "older" if inspect(connection).has_table("study") else "empty"
    script = ScriptDirectory.from_config(_config())
    if revision == script.get_current_head():
        return "current"
    return "older" if revision in {one.revision for one in script.walk_revisions()} else "newer"


def _config() -> Config:
    package = Path(pacs.__file__).resolve().parent
    installed = package / "_migrations"
    config = Config()
    location = installed if installed.is_dir() else package.parent / "migrations"
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    return config


def _file(url: str) -> Path | None:
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


@contextmanager
def _file_lock(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    with open(path.with_name(path.name + ".migrate"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()
