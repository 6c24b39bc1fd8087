"""Errors as exit codes: one table."""

from pacs.domain import errors as e

EXIT: dict[type[e.PacsError], int] = {
    e.PacsError: 1,
    e.Refused: 3,
    e.BadRequest: 2,
    e.NotFound: 1,
    e.NotAcceptable: 1,
    e.UnsupportedMedia: 1,
    e.TooLarge: 1,
    e.Conflict: 1,
    e.RenderFailed: 1,
    e.StorageFault: 1,
    e.StorageFull: 1,
    e.IndexFault: 1,
    e.ConfigFault: 2,
}
USAGE = 2


def exit_code(error: BaseException) -> int:
    """The row of the nearest ancestor; 1 for anything else."""
    return next((EXIT[kind] for kind in type(error).__mro__ if kind in EXIT), 1)
