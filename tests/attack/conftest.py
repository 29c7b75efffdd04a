"""A service that requests go to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.outbound.service import Service, serving


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as running:
        yield running
