"""Transcoding: frames and whole files in another transfer syntax (PS3.18 8.7.3).

Decoding and encoding happen in worker processes with limits; one conversion serves all who wait for the same frame.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from pacs.convert.decode import NATIVE, decodable
from pacs.convert.describe import at_rest
from pacs.convert.encode import LOSSLESS, LOSSY, described
from pacs.convert.picture import Picture, picture_of
from pacs.convert.recode import recode
from pacs.dicom.pixels import layout
from pacs.dicom.syntax import DEFLATED, IMPLICIT_LITTLE, SYNTAXES
from pacs.domain.errors import NotAcceptable, NotFound
from pacs.domain.model import Identity, Instance
from pacs.domain.ports import Buffer, Repository
from pacs.services.once import Once
from pacs.services.open import Opener
from pacs.services.stored import Described, stored_frame

_NATIVE_FORMS = (NATIVE, IMPLICIT_LITTLE, DEFLATED)
_ELSEWHERE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))  # JPIP: the pixels are behind a URL


class Codec(Protocol):
    """Transcodes one frame.  Raises RenderFailed and NotAcceptable."""

    def transcode(self, picture: Picture, frame: bytes, target: str) -> bytes: ...


class Transcoder:
    """Instances in other transfer syntaxes than the one they are stored in."""

    def __init__(self, repository: Repository, opener: Opener, codec: Codec, cache_bytes: int) -> None:
        self._repository, self._opener, self._codec = repository, opener, codec
        self._frames = Once[bytes](cache_bytes, len)
        self._described = Described(opener, with_tables=False)

    def targets(self, transfer_syntax: str) -> tuple[str, ...]:
        """What instances in this syntax can be turned into without loss: the stored one, Explicit LE, others.

        Any of them may still be NotAcceptable for an instance whose pixels it cannot hold (1 bit, 32 bit, float).
        """
        rest = at_rest(transfer_syntax)
        if transfer_syntax not in SYNTAXES or transfer_syntax in _ELSEWHERE or not decodable(rest):
            return (transfer_syntax,)
        return tuple(dict.fromkeys((transfer_syntax, *LOSSLESS)))

    def by_name(self, transfer_syntax: str) -> tuple[str, ...]:
        """Further targets that nobody gets who did not name them: lossy ones, and those not meant for the web."""
        if len(self.targets(transfer_syntax)) == 1:
            return ()
        return tuple(uid for uid in (*LOSSY, IMPLICIT_LITTLE, DEFLATED) if uid != transfer_syntax)

    def frame(self, identity: Identity, number: int, target: str) -> bytes:
        """Frame ``number`` (from 1) in ``target``.

        Raises NotFound, NotAcceptable where the instance cannot be in that syntax, RenderFailed for a damaged frame.
        """
        row = self._one(identity)
        if target == row.transfer_syntax or _form(target) == at_rest(row.transfer_syntax):
            return self._stored(row, number)
        self._check(row, target)
        return self._frame(row, self._described.picture(row), number, target)

    def file(self, instance: Instance, target: str) -> Iterator[Buffer]:
        """The instance's Part 10 bytes in ``target``, a frame in memory at a time; as stored: the exact bytes.

        Raises as :meth:`frame` does, for the first frame before anything is given; later frames raise when they come.
        """
        if target == instance.transfer_syntax:
            return self._opener.pieces(instance)
        self._check(instance, target)
        pieces = self._recoded(instance, target)
        return chain((next(pieces),), pieces)

    def _recoded(self, row: Instance, target: str) -> Iterator[Buffer]:
        with self._opener.walked(row, with_bulk=True) as file:
            found = layout(file)
            picture = picture_of(file) if found.count else None
            yield from recode(
                file, found, picture, target,
                lambda number: self._frame(row, picture, number, target),
                lambda number: self._stored(row, number),
            )  # fmt: skip

    def _check(self, row: Instance, target: str) -> None:
        available = self.targets(row.transfer_syntax)
        if target not in (*available, *self.by_name(row.transfer_syntax)):
            raise NotAcceptable(f"{row.transfer_syntax} cannot be turned into {target}", available)

    def _frame(self, row: Instance, picture: Picture | None, number: int, target: str) -> bytes:
        assert picture is not None
        form = _form(target)
        described(picture, form)

        def make() -> bytes:
            return self._codec.transcode(picture, self._stored(row, number), form)

        return self._frames.get((row.digest, number, form), make)

    def _stored(self, row: Instance, number: int) -> bytes:
        return stored_frame(self._repository, self._opener, row, number)

    def _one(self, identity: Identity) -> Instance:
        found = self._repository.instance(identity)
        if found is None:
            raise NotFound(f"instance {identity.instance} in series {identity.series} of study {identity.study}")
        return found


def _form(target: str) -> str:
    """The form of frames in a syntax: all native ones are the same."""
    return NATIVE if target in _NATIVE_FORMS else target
