"""What drawing and transcoding read of a stored instance: its frames and what its header says of them."""

from pacs.convert.picture import Picture, picture_of
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


class Described:
    """Pixel descriptions by instance and frame; the last ones are kept, since walking a header takes as long as drawing."""

    _MOST, _LARGE = 256, 64 << 10

    def __init__(self, opener: Opener, with_tables: bool) -> None:
        """``with_tables``: lookup tables and colour profiles are read too, wherever they lie."""
        self._opener, self._with_tables = opener, with_tables
        self._kept: dict[tuple[str, int], Picture] = {}

    def picture(self, row: Instance, frame: int = 1) -> Picture:
        """The description of the frame (from 1).  Raises RenderFailed where there are no pixels."""
        key = (row.digest, frame)
        found = self._kept.get(key)
        if found is None:
            with self._opener.walked(row, with_bulk=self._with_tables) as file:
                found = picture_of(file, frame)
            if found.weight < self._LARGE:
                if len(self._kept) >= self._MOST:
                    self._kept.clear()
                self._kept[key] = found
        return found


def _place(row: Instance) -> FramePlace:
    return FramePlace(row.location, row.frames, row.transfer_syntax)
