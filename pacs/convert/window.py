"""Stored values to 8 bit grey: modality, VOI and presentation (PS3.3 C.11.1, C.11.2, C.7.5.1.1.2; PS3.4 N.2)."""

from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.picture import Lut, Picture
from pacs.domain.errors import RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Window: TypeAlias = tuple[float, float, str]
"""Centre, width and function (``linear``, ``linear-exact``, ``sigmoid``)."""

_TABLE = 1 << 17  # value ranges up to this are mapped through a table


def to_grey(picture: Picture, values: "Array", window: Window | None) -> "Array":
    """8 bit, as the object or the asked window says; padding is black."""
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        return _by_table(picture, values, window)
    if values.dtype.kind in "ui":
        low, high = int(values.min()), int(values.max())
        if high - low < _TABLE:
            return _by_table(picture, (values - low).astype("u4"), window, low)
    return _grey(picture, values.astype("f8"), window)


def _by_table(picture: Picture, values: "Array", window: Window | None, first: int = 0) -> "Array":
    """Work out each value once: far less time and memory than each pixel.  A table over the words needs no look at them."""
    import numpy as np

    width = values.dtype.itemsize
    index = values.view(f"u{width}") if width <= 2 else values
    low, high = int(index.min()), int(index.max())
    words = np.arange(low, high + 1, dtype=index.dtype)
    if window is None and picture.center is None and picture.voi_lut is None:
        used = np.zeros(high - low + 1, "?")  # the range shown is that of the values there are
        used[index - index.dtype.type(low)] = True
        words = words[used]
    numbers = words.view(values.dtype).astype("f8") + first
    table: Array = np.zeros(high + 1, "u1")
    table[words] = _grey(picture, numbers, window)
    return np.take(table, index)


def _grey(picture: Picture, values: "Array", window: Window | None) -> "Array":
    import numpy as np

    values = np.nan_to_num(values, nan=0.0)
    image = None
    if picture.padding is not None:
        image = (values < picture.padding[0]) | (values > picture.padding[1])
    shown = _voi(picture, _modality(picture, values), window, image)
    if picture.photometric == "MONOCHROME1" or picture.inverse:
        shown = 1.0 - shown
    if image is not None:
        shown = np.where(image, shown, 0.0)
    grey: Array = np.rint(np.clip(shown, 0.0, 1.0) * 255).astype("u1")
    return grey


def _modality(picture: Picture, values: "Array") -> "Array":
    if picture.modality_lut is not None:
        return _look_up(picture.modality_lut, values)
    return values * picture.slope + picture.intercept


def _look_up(lut: Lut, values: "Array") -> "Array":
    import numpy as np

    first, _, data = lut
    table = np.frombuffer(data[: len(data) & ~1], "<u2").astype("f8")
    if not len(table):
        raise RenderFailed("a lookup table is empty")
    found: Array = table[np.clip(values - first, 0, len(table) - 1).astype("i8")]
    return found


def _voi(picture: Picture, values: "Array", window: Window | None, image: "Array | None") -> "Array":
    """The values as 0 to 1, by the first of: asked window, VOI LUT, own window, range of what is no padding."""
    if window is None and picture.voi_lut is not None:
        return _look_up(picture.voi_lut, values) / ((1 << picture.voi_lut.bits) - 1)
    if window is None and picture.center is not None and picture.width is not None:
        window = picture.center, picture.width, picture.voi_function
    if window is not None:
        return apply_window(values, *window)
    if picture.bits_stored == 1 and not picture.float_kind:
        return values
    inside = values if image is None or not image.any() else values[image]
    low, high = float(inside.min()), float(inside.max())
    return (values - low) / (high - low) if high > low else values * 0.0


def apply_window(values: "Array", center: float, width: float, function: str) -> "Array":
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, scaled to 0 to 1."""
    import numpy as np

    function = function.upper().replace("-", "_")
    if function == "SIGMOID" and width > 0:
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width < 1:
        raise RenderFailed(f"window width {width:g} is not possible")
    if width == 1:
        return (values > center - 0.5).astype("f8")
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)
