"""The index: ``SqlRepository`` on SQLite or PostgreSQL."""

from pacs.repository.engine import make_engine
from pacs.repository.sql import SqlRepository

__all__ = ["SqlRepository", "make_engine"]
