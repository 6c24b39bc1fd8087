"""A small root, filled once."""

from pathlib import Path

import pytest

from tests.processes import run

DATA = Path(__file__).parent.parent / "data"
CT = DATA / "studies" / "rt-phantom"
MANY_FRAMES = DATA / "studies" / "mr-enhanced-philips"
REPEATED = DATA / "transfer-syntaxes" / "ct-15-syntaxes"


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of several studies: plain ones, packed frames, and UIDs that occur again with other bytes."""
    root = tmp_path_factory.mktemp("cli") / "root"
    done = run("mkdicomweb", "create", "-o", root, CT, MANY_FRAMES, REPEATED)
    assert done.returncode == 0, done.stderr
    return root
