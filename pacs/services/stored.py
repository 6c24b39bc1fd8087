"""Frames of a row that may move while it is looked at: received, then shelved."""

from pacs.domain.errors import NotFound
from pacs.domain.model import FramePlace, Instance
from pacs.domain.ports import Repository
from pacs.services.open import Opener


def stored_frame(repository: Repository, opener: Opener, row: Instance, number: int) -> bytes:
    """Frame ``number`` (from 1) as it lies; looked up anew where the instance was converted meanwhile.

    Raises NotFound where there is no such frame or the instance is another by now.
    """
    try:
        return opener.frame(_place(row), number)
    except NotFound:
        now = repository.instance(row.identity)
        if now is None or now.digest != row.digest or now.location == row.location:
            raise
        return opener.frame(_place(now), number)


def _place(row: Instance) -> FramePlace:
    return FramePlace(row.location, row.frames, row.transfer_syntax)
