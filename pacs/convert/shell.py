"""The shell: what remains of a Part 10 file when frames and bulk values are taken out, and the way back.

Format 1: ``SDW1``, length of the head (4 bytes, big endian), head (JSON: ``sha256`` and ``size`` of the file, ``data``
digest, ``base``), then raw deflate with the base as preset dictionary of: length of the recipe (4 bytes), recipe
(JSON), literal bytes.  The recipe lists where frames and bulk values go back; ``syntax`` names the frames' syntax at
rest when it is not the file's, so that a codec's inverse has its place.

Literal bytes are few, save for files that cannot be cut (deflated ones): nothing here holds them all in memory.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pacs.convert.frames import pack_bits, swap_pieces, swap_words
from pacs.dicom.inflate import inflated
from pacs.domain.errors import StorageFault
from pacs.domain.model import BulkValue, FrameTable
from pacs.domain.ports import Buffer
from pacs.domain.scratch import Scratch, slicer, windows

_MAGIC = b"SDW1"
PIECE = 1 << 20
WINDOW = 32768
"""Bytes of a base that deflate can look back to."""


@dataclass(frozen=True, slots=True)
class Cut:
    """``length`` bytes at ``position`` of the file that are not in the shell.

    ``swap``: the bulk value is kept in little endian, in the file its words of this size are big endian.
    """

    position: int
    length: int
    sha256: str = ""
    frame: int = 0
    offset: int = 0
    swap: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Cuts in file order; one with neither ``sha256`` nor ``frame`` is the run of all frames joined.

    ``swap`` and ``bits`` undo what :mod:`pacs.convert.frames` did to that run.
    """

    cuts: tuple[Cut, ...] = ()
    count: int = 0
    swap: int = 0
    bits: int = 0
    syntax: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """A decoded shell."""

    sha256: str
    data: str
    size: int
    base: str | None
    recipe: Recipe
    literal: Buffer


def make_recipe(table: FrameTable, bulk: Iterable[BulkValue], cuttable: bool) -> Recipe:
    """The recipe of a file with this frame table and these bulk values."""
    if not cuttable:
        return Recipe(count=table.count)
    cuts = [Cut(value.offset, value.length, value.sha256, swap=value.swap) for value in bulk]
    cuts += _frame_cuts(table)
    return Recipe(tuple(sorted(cuts, key=lambda cut: cut.position)), table.count, table.swap, table.bits)


def _frame_cuts(table: FrameTable) -> list[Cut]:
    if table.spans:
        cuts = []
        for number, spans in enumerate(table.spans, 1):
            offset = 0
            for position, length in spans:
                if length:
                    cuts.append(Cut(position, length, frame=number, offset=offset))
                offset += length
        return cuts
    length = table.bits * table.count // 8 if table.bits else table.size * table.count
    if table.swap:
        length -= length % table.swap
    return [Cut(table.start, length)] if length else []


def literal_of(whole: Buffer, recipe: Recipe) -> Buffer:
    """The bytes of the file that no cut covers."""
    at, kept, source = 0, Scratch(), slicer(whole)
    for cut in recipe.cuts:
        _copy(source, at, cut.position, kept)
        at = cut.position + cut.length
    _copy(source, at, len(memoryview(whole)), kept)
    return kept.view()


def _copy(source: Callable[[int, int], Buffer], start: int, end: int, into: Scratch) -> None:
    for at in range(start, end, PIECE):
        into.write(source(at, min(PIECE, end - at)))


def encode(shell: Shell, base: bytes | None) -> Buffer:
    """The bytes at rest; ``base`` is the content that ``shell.base`` names."""
    r = shell.recipe
    cuts = [[c.position, c.length, c.sha256 or c.frame, c.offset, *([c.swap] if c.swap else [])] for c in r.cuts]
    recipe = json.dumps([cuts, r.count, r.swap, r.bits, r.syntax], separators=(",", ":")).encode()
    head = json.dumps(
        {"sha256": shell.sha256, "data": shell.data, "size": shell.size, "base": shell.base}, separators=(",", ":")
    ).encode()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=base) if base else zlib.compressobj(6, zlib.DEFLATED, -15)
    out = Scratch()
    out.write(b"".join((_MAGIC, len(head).to_bytes(4, "big"), head)))
    out.write(packer.compress(len(recipe).to_bytes(4, "big") + recipe))
    for piece in windows(shell.literal):
        out.write(packer.compress(piece))
    out.write(packer.flush())
    return out.view()


def decode_head(data: Buffer) -> dict[str, str | int | None]:
    """``sha256``, ``data``, ``size``, ``base`` of a shell."""
    if data[:4] != _MAGIC:
        raise StorageFault("not a shell of format 1")
    head: dict[str, str | int | None] = json.loads(bytes(data[8 : 8 + int.from_bytes(data[4:8], "big")]))
    return head


def decode(data: Buffer, base: Callable[[str], bytes]) -> Shell:
    """The shell; ``base(digest12)`` fetches its dictionary."""
    head = decode_head(data)
    name = head["base"]
    start = 8 + int.from_bytes(data[4:8], "big")
    unpacker = zlib.decompressobj(-15, zdict=base(str(name))) if name else zlib.decompressobj(-15)
    out = Scratch()
    for piece in inflated(unpacker, memoryview(data), start):
        out.write(piece)
    body = out.view()
    split = 4 + int.from_bytes(body[:4], "big")
    cuts, count, swap, bits, syntax = json.loads(bytes(body[4:split]))
    recipe = Recipe(tuple(_cut(*cut) for cut in cuts), count, swap, bits, syntax)
    return Shell(
        str(head["sha256"]), str(head["data"]), int(str(head["size"])), str(name) if name else None, recipe, body[split:]
    )


def _cut(position: int, length: int, what: str | int, offset: int, swap: int = 0) -> Cut:
    if isinstance(what, str):
        return Cut(position, length, what, 0, offset, swap)
    return Cut(position, length, "", what, offset, swap)


def assemble(shell: Shell, frame: Callable[[int], Buffer], bulk: Callable[[str], Buffer]) -> Iterator[Buffer]:
    """The exact bytes of the file, piece by piece."""
    at, position = 0, 0
    held: tuple[int, Buffer] = (0, b"")
    for cut in shell.recipe.cuts:
        yield from windows(shell.literal, at, at + cut.position - position)
        at += cut.position - position
        if cut.sha256:
            yield from windows(_as_received(cut, bulk(cut.sha256)))
        elif cut.frame:
            if held[0] != cut.frame:
                held = (cut.frame, frame(cut.frame))
            yield from windows(held[1], cut.offset, cut.offset + cut.length)
        else:
            yield from _run(shell.recipe, cut.length, frame)
        position = cut.position + cut.length
    yield from windows(shell.literal, at)


def _as_received(cut: Cut, value: Buffer) -> Buffer:
    """A bulk value in the byte order of the file."""
    return swap_words(value, cut.swap) if cut.swap else value


def _run(recipe: Recipe, length: int, frame: Callable[[int], Buffer]) -> Iterator[Buffer]:
    """All frames joined, turned back into the value's own order."""
    frames: Iterable[Buffer] = map(frame, range(1, recipe.count + 1))
    if recipe.bits:
        frames = pack_bits(frames, recipe.bits)
    if recipe.swap:
        frames = swap_pieces(frames, recipe.swap)
    left = length
    for one in frames:
        yield from windows(one, 0, left)
        left -= min(left, len(memoryview(one)))


def hollow(shell: Shell, bulk: Callable[[str], bytes] | None = None) -> memoryview:
    """The file with zeros for its frames (and bulk values, unless fetched): enough to walk its elements.

    The zeros of a large one are a hole in a temporary file: the size of the object does not matter.
    """
    whole, at, position = Scratch(shell.size), 0, 0
    literal = slicer(shell.literal)
    for cut in shell.recipe.cuts:
        gap = cut.position - position
        _copy(literal, at, at + gap, whole)
        at += gap
        if cut.sha256 and bulk:
            whole.write(_as_received(cut, bulk(cut.sha256)))
        else:
            whole.skip(cut.length)
        position = cut.position + cut.length
    _copy(literal, at, len(memoryview(shell.literal)), whole)
    return whole.view()
