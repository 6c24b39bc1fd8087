"""What a long-lived process of ours does once, after its modules are loaded."""

import ctypes
import gc
import platform
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 64 << 20
_FILES = 65536


def _more_files() -> None:
    """Each large object on its way in is an open file; the soft limit of many systems is 1,024 for all."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def tune() -> None:
    """Less work in vain: modules leave the collector's rounds, and buffers of an image's size are used again.

    Thousands of short-lived elements an instance would have the collector walk all modules again and again; and glibc
    gives every larger block back to the system, so that each buffer is paged in anew (0.3 ms for a CT image).
    """
    _more_files()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _KEPT // 2)
        mallopt(_TRIM_THRESHOLD, _KEPT)
