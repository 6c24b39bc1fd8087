"""The render pool survives what its workers do not."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pacs.convert.picture import Picture
from pacs.domain.errors import BadRequest, NotAcceptable, RenderFailed
from pacs.domain.model import RenderOptions
from pacs.workers.pool import WorkerPool

PICTURE = Picture(16, 16, 1, "MONOCHROME2", 8, 8, 7, False, 0, "1.2.840.10008.1.2.1")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(seconds=2, memory=512 << 20)
    yield pool
    pool.close()


def renders(pool: WorkerPool) -> bool:
    return pool.render(PICTURE, [bytes(range(256))], RenderOptions()).startswith(b"\xff\xd8")


def test_render_and_failure(pool: WorkerPool) -> None:
    assert renders(pool)
    with pytest.raises(RenderFailed, match="bytes"):
        pool.render(PICTURE, [b""], RenderOptions())
    assert renders(pool)


def test_transcode_and_refusals(pool: WorkerPool) -> None:
    frame = bytes(range(256))
    stream = pool.transcode(PICTURE, frame, "1.2.840.10008.1.2.4.80")
    assert pool.transcode(replace(PICTURE, syntax="1.2.840.10008.1.2.4.80"), stream, PICTURE.syntax) == frame
    with pytest.raises(NotAcceptable, match="1 bits allocated"):
        pool.transcode(replace(PICTURE, bits_allocated=1, bits_stored=1), frame, "1.2.840.10008.1.2.4.80")
    with pytest.raises(BadRequest, match="no pixel"):
        pool.render(PICTURE, [frame], RenderOptions((9, 9, 99.0, 99.0, 5.0, 5.0)))
    with pytest.raises(RenderFailed, match="bytes"):
        pool.transcode(PICTURE, b"", "1.2.840.10008.1.2.5")


def test_hang_is_killed(pool: WorkerPool) -> None:
    assert renders(pool)
    started = time.monotonic()
    with pytest.raises(RenderFailed, match="more than 2 s"):
        pool._run("sleep", 60)
    assert time.monotonic() - started < 10
    assert renders(pool)


def test_death_is_replaced(pool: WorkerPool) -> None:
    with pytest.raises(RenderFailed, match="died"):
        pool._run("die")
    assert renders(pool)


def test_memory_is_limited(pool: WorkerPool) -> None:
    with pytest.raises(RenderFailed, match="memory"):
        pool._run("eat", 1 << 30)
    assert renders(pool)


def test_threads_share_workers() -> None:
    pool = WorkerPool(2)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: renders(pool), range(40)))
    pool.close()
    with pytest.raises(RenderFailed, match="shut down"):
        renders(pool)
    pool.close()
