"""The viewport: a region of the image, flipped and scaled (PS3.18 8.3.5.1.3)."""

from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.domain.errors import BadRequest, RenderFailed
from pacs.domain.model import Viewport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]


def through(image: "Array", viewport: Viewport) -> "Array":
    """The region of ``image`` as large as fits the viewport, its aspect kept, never enlarged.

    A negative width or height of the region flips it.  Raises BadRequest for a region with nothing of the image.
    """
    width, height, x, y, across, down = viewport
    image = _along(image, 1, x, across)
    image = _along(image, 0, y, down)
    return fit(image, width, height)


def _along(image: "Array", axis: int, start: float | None, length: float | None) -> "Array":
    """``length`` pixels of one axis from ``start``, at most to the edge; none given is all there is."""
    import numpy as np

    whole = image.shape[axis]
    first = max(0.0, start or 0.0)
    extent = abs(length) if length is not None else whole - first
    low, high = round(first), min(whole, round(first + extent))
    if low >= high:
        raise BadRequest("the viewport's region has no pixel of the image")
    image = image.take(range(low, high), axis) if (low, high) != (0, whole) else image
    return np.flip(image, axis) if length is not None and length < 0 else image


def fit(image: "Array", width: int, height: int) -> "Array":
    """Scale down into width x height keeping the aspect ratio; never enlarge."""
    if width < 1 or height < 1:
        raise RenderFailed("the viewport has no pixels")
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        return image
    target = max(1, round(rows * scale)), max(1, round(columns * scale))
    while _ratio(image, target) >= 8:
        image = image[::2, ::2]
    while _ratio(image, target) >= 2:
        image = _halve(image)
    return _shrink(_shrink(image, 0, target[0]), 1, target[1])


def _ratio(image: "Array", target: tuple[int, int]) -> float:
    rows, columns = image.shape[:2]
    return float(min(rows / target[0], columns / target[1]))


def _halve(image: "Array") -> "Array":
    """Mean of each four, in a fifth of the time of any other step; an odd last row or column is left out."""
    rows, columns = image.shape[0] & ~1, image.shape[1] & ~1
    total = image[0:rows:2].astype("u2") + image[1:rows:2]
    halved: Array = ((total[:, 0:columns:2] + total[:, 1:columns:2] + 2) >> 2).astype("u1")
    return halved


def _shrink(image: "Array", axis: int, size: int) -> "Array":
    """Mean of the area each new pixel covers, by differences of the running sum."""
    import numpy as np

    if image.shape[axis] == size:
        return np.ascontiguousarray(image)
    lines = np.moveaxis(image, axis, 0)
    sums = np.zeros((len(lines) + 1, *lines.shape[1:]), "f8")
    np.cumsum(lines, axis=0, dtype="f8", out=sums[1:])
    edges = np.linspace(0, len(lines), size + 1)
    left = np.minimum(edges.astype("i8"), len(lines) - 1)
    part = (edges - left).reshape(-1, *[1] * (lines.ndim - 1))
    at_edges = sums[left] * (1 - part) + sums[left + 1] * part
    means = np.diff(at_edges, axis=0) * (size / len(lines))
    return np.ascontiguousarray(np.moveaxis(np.rint(means), 0, axis), "u1")
