"""The errors of the product, as a tree.

    PacsError
    |- Refused           these bytes cannot become an instance
    |- BadRequest        a query, header or URL that is malformed (names the key)
    |- NotFound          nothing under this name
    |- NotAcceptable     the Accept header fits nothing we can produce
    |- UnsupportedMedia  a body type we do not take
    |- TooLarge          a body over a limit
    |- Conflict          stored otherwise already, by policy refused
    |- RenderFailed      no picture can be made of this instance
    |- StorageFault      the storage failed;  StorageFull is one
    |- IndexFault        the database cannot be used (schema older, newer, busy)
    |- ConfigFault       the configuration is wrong; carries every problem

Edges map them once: HTTP in ``dicomweb/errors.py``, exit codes in ``cli/exits.py``.
"""


from pacs.domain.cause import Cause


class PacsError(Exception):
    """Base: ``str(error)`` is one line that says what happened and, where useful, what to do."""


class Refused(PacsError):
    """These bytes cannot become an instance; the text is the reason, ``cause`` its kind."""

    def __init__(self, reason: str, cause: Cause = Cause.NOT_UNDERSTOOD) -> None:
        super().__init__(reason)
        self.cause = cause


class BadRequest(PacsError):
    """A malformed query, header or URL."""


class NotFound(PacsError):
    """Nothing under this name."""


class NotAcceptable(PacsError):
    """No representation fits the Accept header; ``available`` lists those there are."""

    def __init__(self, message: str, available: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.available = available


class UnsupportedMedia(PacsError):
    """A request body of a type that is not taken."""


class TooLarge(PacsError):
    """A body over a limit of so many bytes."""

    def __init__(self, message: str, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class Conflict(PacsError):
    """Refused by the duplicate policy."""


class RenderFailed(PacsError):
    """No picture can be made; the text says why."""


class StorageFault(PacsError):
    """The storage failed."""


class StorageFull(StorageFault):
    """No space left."""


class IndexFault(PacsError):
    """The database cannot be used as it is; the text names the cure."""


class ConfigFault(PacsError):
    """The configuration is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
