"""The render pool survives what its workers do not."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pacs.convert.render import Picture
from pacs.domain.errors import RenderFailed
from pacs.workers.pool import RenderPool

PICTURE = Picture(16, 16, 1, "MONOCHROME2", 8, 8, 7, False, 0, "1.2.840.10008.1.2.1")


@pytest.fixture
def pool() -> Iterator[RenderPool]:
    pool = RenderPool(seconds=2, memory=512 << 20)
    yield pool
    pool.close()


def renders(pool: RenderPool) -> bool:
    return pool.render(PICTURE, bytes(range(256)), None).startswith(b"\xff\xd8")


def test_render_and_failure(pool: RenderPool) -> None:
    assert renders(pool)
    with pytest.raises(RenderFailed, match="bytes"):
        pool.render(PICTURE, b"", None)
    assert renders(pool)


def test_hang_is_killed(pool: RenderPool) -> None:
    assert renders(pool)
    started = time.monotonic()
    with pytest.raises(RenderFailed, match="more than 2 s"):
        pool._run("sleep", 60)
    assert time.monotonic() - started < 10
    assert renders(pool)


def test_death_is_replaced(pool: RenderPool) -> None:
    with pytest.raises(RenderFailed, match="died"):
        pool._run("die")
    assert renders(pool)


def test_memory_is_limited(pool: RenderPool) -> None:
    with pytest.raises(RenderFailed, match="memory"):
        pool._run("eat", 1 << 30)
    assert renders(pool)


def test_threads_share_workers() -> None:
    pool = RenderPool(2)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: renders(pool), range(40)))
    pool.close()
    with pytest.raises(RenderFailed, match="shut down"):
        renders(pool)
    pool.close()
