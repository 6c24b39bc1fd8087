"""Frames to a picture to look at: decode, modality, VOI, 8 bit, region, scale, annotate, encode (PS3.18 8.3.5, 10.4.1.1.3).

Pure functions. Whatever goes wrong is ``RenderFailed``; foreign streams are rendered in a worker process only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert import colours, decode
from pacs.convert.geometry import through
from pacs.convert.letters import burn_in
from pacs.convert.media import to_file
from pacs.convert.picture import Picture
from pacs.convert.window import to_grey
from pacs.domain.errors import RenderFailed
from pacs.domain.model import RenderOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

MOST_GIF_PIXELS = 64 << 20


def render(picture: Picture, frames: Sequence[bytes], options: RenderOptions, notes: Sequence[str] = ()) -> bytes:
    """The frames (one, or several for GIF) as the file ``options.media`` asks for; ``notes`` are burnt in.

    Raises RenderFailed, and BadRequest for a viewport that shows nothing.
    """
    with decode.failing("cannot render"):
        images, pixels = [], 0
        for frame in frames:
            image = shown(picture, frame, options)
            pixels += image.size
            if pixels > MOST_GIF_PIXELS and len(frames) > 1:
                raise RenderFailed("too many pixels for one GIF: ask for a smaller viewport or for frames")
            images.append(image)
        profile = b""
        if options.iccprofile != "no":
            made = [colours.with_profile(image, picture.icc, options.iccprofile) for image in images]
            images, profile = [image for image, _ in made], made[0][1]
        if notes:
            images = [burn_in(image, notes) for image in images]
        return to_file(images, options.media, options.quality, profile, picture.frame_time or 100.0)


def shown(picture: Picture, frame: bytes, options: RenderOptions) -> "Array":
    """The frame in 8 bit, grey or RGB, through the viewport."""
    small, words = decode.reduced(picture, frame, _halvings(picture, options))
    image = eight_bit(small, _coloured(small, words), options.window)
    return image if options.viewport is None else through(image, options.viewport)


def samples(picture: Picture, frame: bytes) -> "Array":
    """The stored values, rows x columns or rows x columns x 3; YBR becomes RGB."""
    return _coloured(picture, decode.decode(picture, frame))


def _coloured(picture: Picture, words: "Array") -> "Array":
    values = decode.stored_values(picture, words)
    return colours.to_rgb(values, decode.decoded_photometric(picture), picture.bits_stored)


def _halvings(picture: Picture, options: RenderOptions) -> int:
    """How often the picture may be halved and still fill the viewport; never where padding would smear into the range shown."""
    ranged = picture.padding is not None and picture.center is None and options.window is None
    if options.viewport is None or options.viewport[2:] != (None,) * 4 or ranged:
        return 0
    width, height = options.viewport[:2]
    ratio = max(picture.columns / max(1, width), picture.rows / max(1, height))
    return max(0, int(ratio).bit_length() - 1)


def eight_bit(picture: Picture, values: "Array", window: tuple[float, float, str] | None) -> "Array":
    """Stored values as 8 bit grey or RGB."""
    import numpy as np

    if picture.samples == 3:
        if picture.bits_stored > 8:
            values = values >> (picture.bits_stored - 8)
        return np.ascontiguousarray(values, "u1")
    if picture.photometric == "PALETTE COLOR":
        return colours.by_palette(picture, values)
    return to_grey(picture, values, window)
