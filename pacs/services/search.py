"""Searching: one query, whoever asks (QIDO-RS, the command line, C-FIND later)."""

from typing import NamedTuple

from pacs.convert.records import Recorder
from pacs.domain.attributes import Catalogue
from pacs.domain.ports import Repository
from pacs.domain.query import Query


class Answer(NamedTuple):
    """Records as ready DICOM JSON objects, how many more match, and keys whose index is not complete yet."""

    records: list[bytes]
    remaining: int
    pending: tuple[str, ...] = ()


class Search:
    """Runs queries.  ``catalogue``: what may be asked."""

    def __init__(self, repository: Repository, catalogue: Catalogue) -> None:
        self._repository = repository
        self.catalogue = catalogue

    def run(self, query: Query, base: str | None = None) -> Answer:
        """The records of the page.  ``base``: root of RetrieveURL.  BadRequest for a key that names no record."""
        page = self._repository.search(query)
        return Answer(list(map(Recorder(query, base).record, page.rows)), page.remaining, page.pending)
