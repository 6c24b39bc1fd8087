"""The contract on both databases."""

import pytest

from tests.repository.contract import Contract


class TestSqlite(Contract):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(Contract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
