"""Runs migrations on a connection given by the program, else on the configured database."""

from alembic import context
from sqlalchemy import Connection

from pacs.repository.engine import make_engine
from pacs.repository.tables import metadata


def _url() -> str:
    from pacs.config import load

    return str(load(None, {}).database_url)


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _online() -> None:
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    engine = make_engine(context.config.attributes.get("url") or _url())
    with engine.connect().execution_options(writing=True) as connection:
        _run(connection)
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("offline mode is not supported")
_online()
