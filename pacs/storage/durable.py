"""Making what was written survive a power cut.

``fsync`` of each small file costs more than everything else that is done for an instance; ``syncfs`` (Linux) writes a
whole batch with one journal commit.  Since Linux 5.8 it also reports every failed write since the last call.
"""

import ctypes
import os
import platform
from collections.abc import Callable, Iterable
from contextlib import suppress


def sync(path: str) -> None:
    """One file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_if_there(path: str) -> None:
    """As :func:`sync`, for a folder that may be pruned meanwhile."""
    with suppress(FileNotFoundError, NotADirectoryError):
        sync(path)


def sync_tree(folder: str) -> None:
    """Every file and folder below, one by one."""
    for base, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(base, name))
        sync(base)


class Syncer:
    """Syncs several things of one file system at once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._call = _syncfs()

    def all(self, paths: Iterable[str], one_by_one: Callable[[str], None] = sync) -> None:
        """All paths, which lie below the folder, are durable on return; OSError as ``fsync`` raises it."""
        if self._call is None:
            for path in paths:
                one_by_one(path)
            return
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            if self._call(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), self._folder)
        finally:
            os.close(descriptor)


def _syncfs() -> Callable[[int], int] | None:
    """The system call, where it is there and tells of failures."""
    if platform.system() != "Linux" or _version(platform.release()) < (5, 8):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def _version(release: str) -> tuple[int, int]:
    numbers = release.split("-")[0].split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return 0, 0
