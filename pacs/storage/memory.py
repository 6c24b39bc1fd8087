"""Storage in memory, for tests and trials; nothing outlives the process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from pacs.domain.errors import NotFound, StorageFault
from pacs.domain.ports import Buffer, Receiver
from pacs.storage.keys import Files, check_key, check_name, check_prefix


class MemoryStorage:
    """A dictionary under a lock, with a count of the keys below each folder."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[str, bytes] = {}
        self._folders: dict[str, int] = {}

    def put(self, key: str, data: Buffer) -> None:
        """Replace whole."""
        check_key(key)
        value = bytes(data)
        with self._lock:
            self._set(key, value)

    def create(self, key: str, data: Buffer) -> bool:
        """Create only; False when the key exists."""
        check_key(key)
        value = bytes(data)
        with self._lock:
            if self._taken(key):
                return False
            self._set(key, value)
            return True

    def claim(self, folders: Sequence[tuple[str, Files]]) -> list[bool]:
        """Publish each folder whole; False where the name is taken."""
        built = [
            (
                check_key(folder),
                {check_name(name): b"".join(parts) for name, parts in files.items()},
            )
            for folder, files in folders
        ]
        with self._lock:
            return [self._publish(folder, values) for folder, values in built]

    def get(self, key: str) -> bytes:
        """All bytes."""
        check_key(key)
        with self._lock:
            if key not in self._values:
                raise NotFound(key)
            return self._values[key]

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part, short where the value ends."""
        if offset < 0 or length < 0:
            raise StorageFault(f"cannot read {key}: negative range")
        return self.get(key)[offset : offset + length]

    def size(self, key: str) -> int:
        """Length in bytes."""
        return len(self.get(key))

    def exists(self, key: str) -> bool:
        """Whether there is a value under the key."""
        check_key(key)
        with self._lock:
            return key in self._values

    @contextmanager
    def view(self, key: str) -> Iterator[memoryview]:
        """The bytes without a copy."""
        with memoryview(self.get(key)) as view:
            yield view

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below the folder, sorted."""
        folder = check_prefix(prefix)
        with self._lock:
            keys = [key for key in self._values if not folder or key.startswith(f"{folder}/")]
        return iter(sorted(keys))

    def delete(self, key: str) -> None:
        """Remove; no error when missing."""
        check_key(key)
        with self._lock:
            self._drop(key)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder."""
        folder = check_key(prefix.removesuffix("/"))
        with self._lock:
            for key in [*self.list(folder), folder]:
                self._drop(key)

    def receive(self, key: str) -> "MemoryReceiver":
        """Take bytes as they come."""
        return MemoryReceiver(self, check_key(key))

    def land(self, receivers: Sequence[Receiver]) -> None:
        """Commit together."""
        for receiver in receivers:
            receiver.commit()

    def older(self, prefix: str, before: float) -> Iterator[str]:
        """Nothing: what memory holds never outlived its writer."""
        check_prefix(prefix)
        return iter(())

    def clean(self, before: float) -> int:
        """Nothing is built in a place of its own."""
        return 0

    def path(self, key: str) -> str | None:
        """There are no files."""
        check_key(key)
        return None

    def check(self) -> None:
        """Memory can always be written."""

    def _taken(self, name: str) -> bool:
        return name in self._values or name in self._folders

    def _publish(self, folder: str, values: dict[str, bytes]) -> bool:
        if self._taken(folder):
            return False
        for name, value in values.items():
            self._set(f"{folder}/{name}", value)
        return True

    def _set(self, key: str, value: bytes) -> None:
        if key in self._folders or any(up in self._values for up in _above(key)):
            raise StorageFault(f"cannot write {key}: a folder and a value of one name")
        if key not in self._values:
            for folder in _above(key):
                self._folders[folder] = self._folders.get(folder, 0) + 1
        self._values[key] = value

    def _drop(self, key: str) -> None:
        if self._values.pop(key, None) is None:
            return
        for folder in _above(key):
            self._folders[folder] -= 1
            if not self._folders[folder]:
                del self._folders[folder]


class MemoryReceiver:
    """Bytes gathered until ``commit``."""

    def __init__(self, storage: MemoryStorage, key: str) -> None:
        self._storage, self._key, self._data = storage, key, bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._data = bytearray()

    def write(self, data: Buffer) -> None:
        """Append."""
        self._data += data

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """What was written."""
        yield memoryview(bytes(self._data))

    def commit(self) -> None:
        """Put the bytes under the key."""
        self._storage.put(self._key, self._data)


def _above(key: str) -> list[str]:
    """The folders a key lies in."""
    parts = key.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
