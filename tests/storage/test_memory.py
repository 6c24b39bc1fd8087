"""The memory storage keeps the contract."""

import pytest

from pacs.storage.memory import MemoryStorage
from tests.storage.contract import StorageContract


class TestMemory(StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return MemoryStorage()

    def test_no_files(self, storage: MemoryStorage) -> None:
        assert storage.path("a") is None
