"""Searching: one query, whoever asks (QIDO-RS, the command line, C-FIND later)."""

from pacs.convert.documents import found_json
from pacs.domain.ports import Repository
from pacs.domain.query import Query


class Search:
    """Runs queries; answers are ready JSON."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def run(self, query: Query, base: str | None = None) -> tuple[bytes, int]:
        """The records as a JSON array, and how many more match.  ``base``: root of RetrieveURL."""
        page = self._repository.search(query)
        records = (found_json(row, query.include, query.include_all, base) for row in page.rows)
        return b"[" + b",".join(records) + b"]", page.remaining
