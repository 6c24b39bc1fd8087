"""The rules for keys, the same for every storage."""

from collections.abc import Iterable, Mapping

from pacs.domain.errors import StorageFault
from pacs.domain.ports import Buffer

Files = Mapping[str, Iterable[Buffer]]

RESERVED = "tmp"


def check_key(key: str) -> str:
    """The key itself, or ``StorageFault``."""
    parts = key.split("/")
    bad = any(part in ("", ".", "..") for part in parts) or "\0" in key
    if bad or parts[0] == RESERVED or not _encodable(key):
        raise StorageFault(f"bad storage key: {key!r}")
    return key


def check_prefix(prefix: str) -> str:
    """The folder without its trailing '/', '' for the root."""
    folder = prefix.removesuffix("/")
    return check_key(folder) if folder else ""


def check_name(name: str) -> str:
    """A name inside a claimed folder: a key of one or two parts."""
    if name.count("/") > 1:
        raise StorageFault(f"bad name in folder: {name!r}")
    check_key(f"x/{name}")
    return name


def _encodable(key: str) -> bool:
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
