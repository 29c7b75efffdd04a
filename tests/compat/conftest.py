"""Apps of other styles are full of what `durable.compat.warnings` warns of; only
`test_warnings.py` looks at that."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name != "test_warnings.py":
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore::durable.compat.warnings.DurableDeprecationWarning",
                    "ignore::durable.compat.warnings.DurableFunctionsCompatibilityWarning",
                )
            )
