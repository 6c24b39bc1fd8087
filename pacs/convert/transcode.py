"""One frame from its transfer syntax to another.  Runs in a worker process: the stream may be hostile."""

from pacs.convert.decode import decode, failing
from pacs.convert.encode import encode
from pacs.convert.picture import Picture


def transcode_frame(picture: Picture, frame: bytes, target: str) -> bytes:
    """``frame`` (in ``picture.syntax``) in the transfer syntax ``target``.

    Raises RenderFailed for damage and NotAcceptable where ``target`` cannot hold such pixels.
    """
    with failing("cannot transcode"):
        return encode(picture, decode(picture, frame), target)
