"""Services without a store behind them."""

from types import SimpleNamespace
from typing import Any

from pacs.config import Settings
from pacs.domain.attributes import STANDARD
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.model import Identity, Outcome
from pacs.services.search import Answer

IDENTITY = Identity("1.2", "1.2.3", "1.2.3.4")


class Part:
    def __init__(self) -> None:
        self.data, self.discarded = b"", False

    def write(self, data: Any) -> None:
        self.data += bytes(data)

    def end(self) -> None:
        """Nothing to check."""

    def discard(self) -> None:
        self.discarded = True


class Store:
    """A part's text decides: ``ok``, ``again``, ``dup``, ``other``, anything else is not understood."""

    def __init__(self) -> None:
        self.begun: list[Part] = []

    def begin(self) -> Part:
        self.begun.append(Part())
        return self.begun[-1]

    def _one(self, part: Part | Refused) -> Outcome:
        if isinstance(part, Refused):
            return Outcome("refused", None, str(part), cause=part.cause)
        if part.data == b"ok":
            return Outcome("stored", IDENTITY, "", "1.2.5")
        if part.data == b"again":
            return Outcome("replaced", IDENTITY, "", "1.2.5")
        if part.data == b"dup":
            return Outcome("refused", IDENTITY, "another instance is stored", "1.2.5", cause=Cause.DUPLICATE)
        if part.data == b"other":
            return Outcome("refused", Identity("9.9", "9", "9"), "study differs", "1.2.5", cause=Cause.WRONG_STUDY)
        return Outcome("refused", None, "not DICOM", cause=Cause.NOT_UNDERSTOOD)

    def received(self, parts: list[Part | Refused], source: str = "stow", study: Any = None) -> list[Outcome]:
        return [self._one(part) for part in parts]


class Search:
    remaining = 0
    seen: Any = None
    catalogue = STANDARD

    def run(self, query: Any, base: Any) -> Answer:
        self.seen = (query, base)
        return Answer([], self.remaining)


def services(**server: Any) -> Any:
    settings = Settings.model_validate({"dicomWebServerConfig": server})
    return SimpleNamespace(
        settings=settings, repository=SimpleNamespace(local=True), storage=None, store=Store(), search=Search(),
        retrieve=None, pictures=None, publisher=None, transcoder=None, close=lambda: None,
    )  # fmt: skip
