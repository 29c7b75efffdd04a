"""Both clients of a storage account."""

from __future__ import annotations

from typing import get_args

import pytest

from durable.storage.azure import StorageClient


@pytest.fixture(params=get_args(StorageClient))
def client(request: pytest.FixtureRequest) -> StorageClient:
    """Each in its turn."""
    chosen: StorageClient = request.param
    return chosen
