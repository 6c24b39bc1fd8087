"""The shell: what remains of a Part 10 file when frames and bulk values are taken out, and the way back.

Format 1: ``SDW1``, length of the head (4 bytes, big endian), head (JSON: ``sha256`` and ``size`` of the file, ``data``
digest, ``base``), then raw deflate with the base as preset dictionary of: length of the recipe (4 bytes), recipe
(JSON), literal bytes.  The recipe lists where frames and bulk values go back; ``syntax`` names the frames' syntax at
rest when it is not the file's, so that a codec's inverse has its place.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pacs.convert.frames import swap_words
from pacs.domain.errors import StorageFault
from pacs.domain.model import FrameTable
from pacs.domain.ports import Buffer

_MAGIC = b"SDW1"
WINDOW = 32768
"""Bytes of a base that deflate can look back to."""


@dataclass(frozen=True, slots=True)
class Cut:
    """``length`` bytes at ``position`` of the file that are not in the shell."""

    position: int
    length: int
    sha256: str = ""
    frame: int = 0
    offset: int = 0


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
    literal: bytes


def make_recipe(table: FrameTable, bulk: Iterable[tuple[int, int, str]], cuttable: bool) -> Recipe:
    """The recipe of a file with this frame table and these (position, length, sha256) bulk values."""
    if not cuttable:
        return Recipe(count=table.count)
    cuts = [Cut(position, length, sha256) for position, length, sha256 in bulk]
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


def literal_of(whole: Buffer, recipe: Recipe) -> bytes:
    """The bytes of the file that no cut covers."""
    view, at, kept = memoryview(whole), 0, []
    for cut in recipe.cuts:
        kept.append(view[at : cut.position])
        at = cut.position + cut.length
    kept.append(view[at:])
    return b"".join(kept)


def encode(shell: Shell, base: bytes | None) -> bytes:
    """The bytes at rest; ``base`` is the content that ``shell.base`` names."""
    r = shell.recipe
    cuts = [[c.position, c.length, c.sha256 or c.frame, c.offset] for c in r.cuts]
    recipe = json.dumps([cuts, r.count, r.swap, r.bits, r.syntax], separators=(",", ":")).encode()
    head = json.dumps(
        {"sha256": shell.sha256, "data": shell.data, "size": shell.size, "base": shell.base}, separators=(",", ":")
    ).encode()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=base) if base else zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(len(recipe).to_bytes(4, "big") + recipe + shell.literal) + packer.flush()
    return b"".join((_MAGIC, len(head).to_bytes(4, "big"), head, body))


def decode_head(data: bytes) -> dict[str, str | int | None]:
    """``sha256``, ``data``, ``size``, ``base`` of a shell."""
    if data[:4] != _MAGIC:
        raise StorageFault("not a shell of format 1")
    head: dict[str, str | int | None] = json.loads(data[8 : 8 + int.from_bytes(data[4:8], "big")])
    return head


def decode(data: bytes, base: Callable[[str], bytes]) -> Shell:
    """The shell; ``base(digest12)`` fetches its dictionary."""
    head = decode_head(data)
    name = head["base"]
    start = 8 + int.from_bytes(data[4:8], "big")
    unpacker = zlib.decompressobj(-15, zdict=base(str(name))) if name else zlib.decompressobj(-15)
    body = unpacker.decompress(data[start:]) + unpacker.flush()
    split = 4 + int.from_bytes(body[:4], "big")
    cuts, count, swap, bits, syntax = json.loads(body[4:split])
    recipe = Recipe(
        tuple(
            Cut(p, n, what if isinstance(what, str) else "", what if isinstance(what, int) else 0, offset)
            for p, n, what, offset in cuts
        ),
        count, swap, bits, syntax,
    )  # fmt: skip
    return Shell(
        str(head["sha256"]), str(head["data"]), int(str(head["size"])), str(name) if name else None, recipe, body[split:]
    )


def assemble(shell: Shell, frame: Callable[[int], bytes], bulk: Callable[[str], bytes]) -> Iterator[Buffer]:
    """The exact bytes of the file, piece by piece."""
    literal, at, position = memoryview(shell.literal), 0, 0
    held: tuple[int, bytes] = (0, b"")
    for cut in shell.recipe.cuts:
        yield literal[at : at + cut.position - position]
        at += cut.position - position
        if cut.sha256:
            yield bulk(cut.sha256)
        elif cut.frame:
            if held[0] != cut.frame:
                held = (cut.frame, frame(cut.frame))
            yield memoryview(held[1])[cut.offset : cut.offset + cut.length]
        else:
            yield from _run(shell.recipe, cut.length, frame)
        position = cut.position + cut.length
    yield literal[at:]


def _run(recipe: Recipe, length: int, frame: Callable[[int], bytes]) -> Iterator[Buffer]:
    """All frames joined, turned back into the value's own order."""
    numbers = range(1, recipe.count + 1)
    if recipe.bits:
        packed = 0
        for number in reversed(numbers):
            packed = packed << recipe.bits | int.from_bytes(frame(number), "little")
        yield packed.to_bytes((recipe.bits * recipe.count + 7) // 8, "little")[:length]
        return
    if not recipe.swap:
        yield from map(frame, numbers)
        return
    rest = b""
    for number in numbers:
        rest += frame(number)
        whole = len(rest) // recipe.swap * recipe.swap
        yield swap_words(rest[:whole], recipe.swap)
        rest = rest[whole:]


def hollow(shell: Shell, bulk: Callable[[str], bytes] | None = None) -> bytearray:
    """The file with zeros for its frames (and bulk values, unless fetched): enough to walk its elements.

    Untouched zero pages cost no memory, so the size of the object does not matter.
    """
    whole, at, position = bytearray(shell.size), 0, 0
    for cut in shell.recipe.cuts:
        gap = cut.position - position
        whole[position : cut.position] = shell.literal[at : at + gap]
        at += gap
        if cut.sha256 and bulk:
            whole[cut.position : cut.position + cut.length] = bulk(cut.sha256)
        position = cut.position + cut.length
    whole[position:] = shell.literal[at:]
    return whole
