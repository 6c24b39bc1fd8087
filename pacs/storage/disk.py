"""Storage in a local folder.

Everything is built under ``<root>/tmp`` and appears by one rename or link, so a
reader never sees half a value and a crash leaves only rubbish under ``tmp``.
"""

import errno
import mmap
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from types import TracebackType
from typing import BinaryIO, Self, cast

from pacs.domain.errors import NotFound, StorageFault, StorageFull
from pacs.domain.ports import Buffer, Receiver
from pacs.domain.scratch import windows
from pacs.storage.durable import Syncer, sync, sync_if_there, sync_tree
from pacs.storage.keys import RESERVED, Files, check_key, check_name, check_prefix

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_TRIES = 20
_WORTH_ALL = 3
_SMALL = 16 << 20
_POPULATE: int = getattr(mmap, "MAP_POPULATE", 0)  # Linux


class DiskStorage:
    """Keys are files below ``root``; safe for threads and for several processes."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._tmp = os.path.join(self._root, RESERVED)
        self._syncer = Syncer(self._root)

    def put(self, key: str, data: Buffer) -> None:
        """Replace whole, durable."""
        with self.receive(key) as receiver:
            receiver.write(data)
            receiver.commit()

    def create(self, key: str, data: Buffer) -> bool:
        """Create only, durable; False when the key exists."""
        target = self.path(key)
        with _writing(key):
            temporary = self._temporary()
            try:
                _write_file(temporary, [data])
                sync(temporary)
                return self._link(temporary, target)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)

    def claim(self, folders: Sequence[tuple[str, Files]]) -> list[bool]:
        """Publish each folder whole; False where the name is taken."""
        targets = [self.path(folder) for folder, _ in folders]
        built: list[str] = []
        try:
            with _writing("a folder"):
                for _, files in folders:
                    built.append(self._temporary())
                    _build(built[-1], files)
                self._syncer.all(built, sync_tree)
                won = [self._rename_folder(*pair) for pair in zip(built, targets, strict=True)]
                for parent in {os.path.dirname(target) for target in targets}:
                    sync_if_there(parent)
                return won
        finally:
            for folder in built:
                shutil.rmtree(folder, ignore_errors=True)

    def get(self, key: str) -> bytes:
        """All bytes."""
        with self._open(key) as file, _reading(key):
            return file.read()

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part, short where the value ends."""
        if offset < 0 or length < 0:
            raise StorageFault(f"cannot read {key}: negative range")
        with self._open(key) as file, _reading(key):
            file.seek(offset)
            return file.read(length)

    def size(self, key: str) -> int:
        """Length in bytes."""
        with self._open(key) as file:
            return os.fstat(file.fileno()).st_size

    def exists(self, key: str) -> bool:
        """Whether there is a value under the key."""
        return os.path.isfile(self.path(key))

    @contextmanager
    def view(self, key: str) -> Iterator[memoryview]:
        """The mapped file, valid inside the ``with``."""
        with self._open(key) as file, _mapped(file, key) as view:
            yield view

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below the folder, sorted."""
        return self._walk(check_prefix(prefix))

    def delete(self, key: str) -> None:
        """Remove, with the folders it leaves empty."""
        target = self.path(key)
        with _writing(key):
            try:
                os.unlink(target)
            except OSError as error:
                if error.errno in _ABSENT:
                    return
                raise
            self._prune(os.path.dirname(target))

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder: it vanishes in one rename."""
        target = self.path(prefix.removesuffix("/"))
        with _writing(prefix):
            grave = self._temporary()
            try:
                os.rename(target, grave)
            except OSError as error:
                if error.errno in _ABSENT:
                    return
                raise
            self._prune(os.path.dirname(target))
            _remove(grave)

    def older(self, prefix: str, before: float) -> Iterator[str]:
        """The keys below the folder whose files were written before that time."""
        for key in self._walk(check_prefix(prefix)):
            if _touched(self.path(key)) < before:
                yield key

    def clean(self, before: float) -> int:
        """Removes what was left under tmp; moved first, so that a writer never places a half of it."""
        count = 0
        with suppress(FileNotFoundError), os.scandir(self._tmp) as entries:
            for entry in entries:
                if _touched(entry.path) >= before:
                    continue
                grave = self._temporary()
                with suppress(OSError):
                    os.rename(entry.path, grave)
                    _remove(grave)
                    count += 1
        return count

    def receive(self, key: str) -> "DiskReceiver":
        """Take bytes as they come."""
        target = self.path(key)
        with _writing(key):
            return DiskReceiver(key, self._temporary(), target, self._place)

    def land(self, receivers: Sequence[Receiver]) -> None:
        """Commit together: all files are synced at once, then each folder."""
        ours = [cast(DiskReceiver, receiver) for receiver in receivers]
        with _writing("received files"):
            if len(ours) < _WORTH_ALL:
                for receiver in ours:
                    receiver.sync()
            else:
                self._syncer.all([receiver.temporary for receiver in ours])
            for folder in {receiver.place() for receiver in ours}:
                sync_if_there(folder)

    def path(self, key: str) -> str:
        """The local file of the key."""
        return os.path.join(self._root, *check_key(key).split("/"))

    def check(self) -> None:
        """Write, sync and remove a probe."""
        try:
            probe = self._temporary()
            try:
                _write_file(probe, [b"probe"])
                sync(probe)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(probe)
        except OSError as error:
            kind = StorageFull if error.errno in _FULL else StorageFault
            raise kind(f"cannot write to {self._root}: {error.strerror}") from error

    def _temporary(self) -> str:
        """A name under tmp that nobody has."""
        if not os.path.isdir(self._tmp):
            os.makedirs(self._tmp, exist_ok=True)
        return os.path.join(self._tmp, uuid.uuid4().hex)

    def _open(self, key: str) -> BinaryIO:
        with _reading(key):
            return open(self.path(key), "rb")

    def _walk(self, folder: str) -> Iterator[str]:
        """Depth first; a folder sorts as its name with '/', which is the order of the keys."""
        base = os.path.join(self._root, folder) if folder else self._root
        try:
            with os.scandir(base) as entries:
                names = sorted(entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in entries)
        except OSError as error:
            if error.errno in _ABSENT:
                return
            raise StorageFault(f"cannot list {folder}: {error.strerror}") from error
        for name in names:
            key = f"{folder}/{name}" if folder else name
            if not name.endswith("/"):
                yield key
            elif key != f"{RESERVED}/":
                yield from self._walk(key[:-1])

    def _rename_folder(self, temporary: str, target: str) -> bool:
        try:
            self._place(target, lambda: os.rename(temporary, target))
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def _link(self, temporary: str, target: str) -> bool:
        """Also a loser syncs the folder: what it found there is then durable."""
        try:
            self._place(target, lambda: os.link(temporary, target))
            won = True
        except FileExistsError:
            won = False
        sync_if_there(os.path.dirname(target))
        return won

    def _place(self, target: str, act: Callable[[], None]) -> None:
        """Act with the target's folder there, which a ``delete`` may prune meanwhile."""
        for left in reversed(range(_TRIES)):
            try:
                _make_folder(os.path.dirname(target))
                return act()
            except FileNotFoundError:
                if not left:
                    raise

    def _prune(self, folder: str) -> None:
        """Remove the folders that are empty now, sync the first that is not."""
        while folder != self._root:
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                break
            folder = os.path.dirname(folder)
        sync_if_there(folder)


class DiskReceiver:
    """A file under tmp that ``commit`` renames onto its key."""

    def __init__(self, key: str, temporary: str, target: str, place: Callable[[str, Callable[[], None]], None]) -> None:
        self._key, self.temporary, self._target, self._place = key, temporary, target, place
        self._file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - closed by the receiver

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self.temporary)

    def write(self, data: Buffer) -> None:
        """Append."""
        with _writing(self._key):
            _write(self._file, data)

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """The mapped file, valid inside the ``with``."""
        with _reading(self._key), open(self.temporary, "rb") as file, _mapped(file, self._key) as view:
            yield view

    def commit(self) -> None:
        """Make the bytes durable under the key."""
        self.sync()
        folder = self.place()
        with _writing(self._key):
            sync_if_there(folder)

    def sync(self) -> None:
        """First half of ``commit``: the bytes are durable, under no key yet."""
        with _writing(self._key):
            os.fsync(self._file.fileno())

    def place(self) -> str:
        """Second half: under the key; the folder is returned, durable once it is synced."""
        with _writing(self._key):
            self._file.close()
            self._place(self._target, lambda: os.rename(self.temporary, self._target))
        return os.path.dirname(self._target)


@contextmanager
def _writing(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"no space left writing {key}") from error
        raise StorageFault(f"cannot write {key}: {error.strerror}") from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise NotFound(key) from error
        raise StorageFault(f"cannot read {key}: {error.strerror}") from error


@contextmanager
def _mapped(file: BinaryIO | FileIO, key: str) -> Iterator[memoryview]:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        yield memoryview(b"")
        return
    with _reading(key):  # small files are mapped at one go: a fault for each page costs more than the read
        flags = mmap.MAP_SHARED | (_POPULATE if size <= _SMALL else 0)
        mapped = mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ)
    view = memoryview(mapped)
    try:
        yield view
    finally:
        with suppress(BufferError):  # a slice still lives: unmapped with it
            view.release()
            mapped.close()


def _write(file: FileIO, data: Buffer) -> None:
    """All of it: one write may take less than it is given."""
    for view in windows(data):
        while len(view):
            view = view[file.write(view) :]


def _write_file(path: str, chunks: Iterable[Buffer]) -> None:
    with open(path, "xb", buffering=0) as file:
        for chunk in chunks:
            _write(file, chunk)


def _build(folder: str, files: Files) -> None:
    os.mkdir(folder)
    made = {folder}
    for name, chunks in files.items():
        path = os.path.join(folder, *check_name(name).split("/"))
        inner = os.path.dirname(path)
        if inner not in made:
            os.mkdir(inner)
            made.add(inner)
        _write_file(path, chunks)


def _make_folder(path: str) -> None:
    """Like makedirs, with each new folder synced into its parent."""
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    with suppress(FileExistsError):
        os.mkdir(path)
    sync(os.path.dirname(path))


def _touched(path: str) -> float:
    """When the file, or the last thing in the folder, was written; of what is gone: never before now."""
    try:
        latest = os.stat(path, follow_symlinks=False).st_mtime
        for base, folders, names in os.walk(path):
            for name in (*folders, *names):
                latest = max(latest, os.stat(os.path.join(base, name), follow_symlinks=False).st_mtime)
        return latest
    except OSError:
        return float("inf")


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)
