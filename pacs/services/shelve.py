"""Puts instances on their shelf: frames, bulk values and shell into one folder, claimed whole."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pacs.convert import shell as shells
from pacs.convert.bulk import little_value
from pacs.convert.frames import cut_frame, frame_length
from pacs.dicom.reader import DicomFile
from pacs.domain import layout
from pacs.domain.errors import NotFound, StorageFault
from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming, Instance
from pacs.domain.ports import Buffer, Storage
from pacs.domain.scratch import forget, slicer, windows

MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """An instance to shelve: its walked file, the whole bytes, and what describe() found."""

    identity: Identity
    file: DicomFile
    whole: Buffer
    digest: str
    data_digest: str
    frames: FrameTable
    bulk: tuple[BulkValue, ...]

    @staticmethod
    def of(found: Incoming | Instance, file: DicomFile, whole: Buffer) -> "Item":
        return Item(found.identity, file, whole, found.digest, found.data_digest, found.frames, found.bulk)

    @property
    def series(self) -> tuple[str, str]:
        return self.identity.study, self.identity.series


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance lies now."""

    location: str
    frames: FrameTable


class Shelf:
    """Writes and reads instance folders.  One of these per process."""

    def __init__(self, storage: Storage, pack_over: int) -> None:
        self._storage = storage
        self._pack_over = pack_over
        self._bases: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._met: set[tuple[str, str]] = set()

    def put(self, items: Sequence[Item]) -> list[Place]:
        """Each item in a folder of its own.  The artefacts were assembled and compared before anything is said."""
        places = {k: Place(name, self._at_rest(item.frames)) for k, item in enumerate(items)
                  if self._holds(name := layout.instance(item.identity), item)}  # fmt: skip
        waiting = [(k, item) for k, item in enumerate(items) if k not in places]
        if not waiting:
            return [places[k] for k in range(len(items))]
        count = Counter(item.series for item in items)
        contents = {k: self._contents(item, count[item.series] > 1) for k, item in waiting}
        for attempt in range(MOST_ATTEMPTS):
            names = [
                layout.instance(i.identity) if not attempt else layout.instance_taken(i.identity, i.digest, attempt)
                for _, i in waiting
            ]
            won = self._storage.claim([(n, contents[k]) for n, (k, _) in zip(names, waiting, strict=True)])
            rest = []
            for name, took, (k, item) in zip(names, won, waiting, strict=True):
                if took or self._holds(name, item):
                    places[k] = Place(name, self._at_rest(item.frames))
                else:
                    rest.append((k, item))
            waiting = rest
            if not waiting:
                return [places[k] for k in range(len(items))]
        raise StorageFault(f"no free folder for {waiting[0][1].identity.instance}")

    def shell(self, identity: Identity, location: str) -> shells.Shell:
        """The decoded shell of a folder."""
        with self._storage.view(layout.shell(location)) as data:
            return shells.decode(data, partial(self._base, identity.study, identity.series))

    def bulk(self, study: str, sha256: str) -> bytes:
        return self._storage.get(layout.bulk(study, sha256))

    def frame(self, place: Place, number: int) -> bytes:
        """A frame at rest."""
        if place.frames.kind == "pack":
            key = layout.pack(place.location)
            return b"".join(self._storage.read(key, o, n) for o, n in place.frames.ranges(number))
        return self._storage.get(layout.frame(place.location, number))

    def _holds(self, name: str, item: Item) -> bool:
        """Whether the folder is of these bytes, taken apart as they would be now: settings may have changed since."""
        try:
            with self._storage.view(layout.shell(name)) as data:
                if shells.decode_head(data)["sha256"] != item.digest:
                    return False
                there = shells.decode(data, partial(self._base, *item.series)).recipe
        except NotFound:
            return False
        return there == _recipe(item) and self._storage.exists(layout.pack(name)) == (item.frames.count > self._pack_over)

    def _contents(self, item: Item, has_siblings: bool) -> Mapping[str, Iterable[Buffer]]:
        frame = partial(cut_frame, item.frames, read=slicer(item.file.buffer))
        recipe = _recipe(item)
        literal = shells.literal_of(item.whole, recipe)
        name, base = self._base_for(item.identity, literal, has_siblings)
        shell = shells.Shell(item.digest, item.data_digest, len(memoryview(item.whole)), name, recipe, literal)
        by_sha = {b.sha256: b for b in item.bulk}
        self._compare(shell, item.whole, frame, lambda sha: little_value(item.file, by_sha[sha]))
        for sha, value in by_sha.items():
            self._storage.create(layout.bulk(item.identity.study, sha), little_value(item.file, value))
        files: dict[str, Iterable[Buffer]] = {"shell": (shells.encode(shell, base),)}
        numbers = range(1, item.frames.count + 1)
        if len(numbers) > self._pack_over:
            files["frames.pack"] = _Frames(frame, numbers)
        else:
            files |= {f"frames/{number}": _Frames(frame, range(number, number + 1)) for number in numbers}
        forget(item.file.buffer)
        return files

    def _at_rest(self, table: FrameTable) -> FrameTable:
        """Where the frames lie in the instance's folder."""
        numbers = range(1, table.count + 1)
        if table.count <= self._pack_over:
            return FrameTable(table.count, "files")
        if not table.spans:
            return FrameTable(table.count, "pack", 0, frame_length(table, 1))
        spans, at = [], 0
        for number in numbers:
            length = frame_length(table, number)
            spans.append(((at, length),))
            at += length
        return FrameTable(table.count, "pack", spans=tuple(spans))

    @staticmethod
    def _compare(shell: shells.Shell, whole: Buffer, frame: partial[Buffer], bulk: Callable[[str], Buffer]) -> None:
        """Bytes in memory, whose digest was just taken, are compared themselves: a fifth of the cost of a digest."""
        pieces = shells.assemble(shell, frame, bulk)
        if not (_is_equal(whole, pieces) if isinstance(whole, bytes) else _digest(pieces) == shell.sha256):
            raise StorageFault("the artefacts do not give back the received bytes; the file stays as it came")

    def _base_for(self, identity: Identity, literal: Buffer, has_siblings: bool) -> tuple[str | None, bytes | None]:
        """The series' dictionary: made of a shell once a second instance is in sight."""
        key = (identity.study, identity.series)
        has_siblings = has_siblings or key in self._met
        self._meet(key)
        if key not in self._bases:
            prefix = f"{layout.series(*key)}/base/"
            name = next((k.rsplit("/", 1)[1] for k in self._storage.list(prefix) if not k.endswith(".copy")), None)
            if name is not None:
                self._remember(key, name, self._storage.get(prefix + name))
            elif not has_siblings:
                return None, None
            else:
                content = bytes(literal[: shells.WINDOW])
                name = hashlib.sha256(content).hexdigest()[:12]
                self._storage.create(prefix + name + ".copy", content)
                self._storage.create(prefix + name, content)
                self._remember(key, name, content)
        return self._bases[key]

    def _meet(self, series: tuple[str, str]) -> None:
        if len(self._met) > 4096:
            self._met.clear()
        self._met.add(series)

    def _remember(self, key: tuple[str, str], name: str, content: bytes) -> None:
        if len(self._bases) > 64:
            self._bases.clear()
        self._bases[key] = (name, content)

    def _base(self, study: str, series: str, name: str) -> bytes:
        held = self._bases.get((study, series))
        if held and held[0] == name:
            return held[1]
        key = layout.base(study, series, name)
        try:
            content = self._storage.get(key)
        except NotFound:
            content = self._storage.get(key + ".copy")
        self._remember((study, series), name, content)
        return content


def _recipe(item: Item) -> shells.Recipe:
    return shells.make_recipe(item.frames, item.bulk, not item.file.deflated)


def _is_equal(whole: bytes, pieces: Iterable[Buffer]) -> bool:
    at = 0
    for piece in pieces:
        if not whole.startswith(piece, at):
            return False
        at += len(memoryview(piece))
    return at == len(whole)


def _digest(pieces: Iterable[Buffer]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


class _Frames:
    """Frames in small pieces, so that none is in memory whole; may be walked again."""

    def __init__(self, frame: partial[Buffer], numbers: range) -> None:
        self._frame, self._numbers = frame, numbers

    def __iter__(self) -> Iterator[Buffer]:
        for number in self._numbers:
            yield from windows(self._frame(number))
