"""What is installed is pinned by hash, and what an audit of it amounts to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.provisions import REQUIREMENTS, ROOT
from tools.advisories import verdict_of

LOCKS = sorted(REQUIREMENTS.glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_with_its_hashes(lock: Path) -> None:
    found = re.split(r"\n(?=\S)", lock.read_text())
    packages = [each for each in found if not each.startswith("#") and each.strip()]
    assert packages
    for package in packages:
        assert re.match(r"[a-z0-9._-]+==[\w.+!-]+ ", package), package[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", package), package[:80]


def test_what_is_declared_is_pinned() -> None:
    declared = re.findall(r'^  "([a-z-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    pinned = (REQUIREMENTS / "runtime.txt").read_text()
    assert "azure-data-tables" in declared
    for name in declared:
        assert re.search(rf"^{name}==", pinned, re.MULTILINE), name


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "odd", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("given", "said", "verdict", "code"),
    [
        (report(GOOD, GOOD), "", "no known vulnerabilities in 2 packages", 0),
        (report(GOOD, BAD), "", "bad 2: PYSEC-1, mended in 3", 1),
        (report(UNKNOWN, BAD), "", "bad 2: PYSEC-1", 1),
        (report(GOOD, UNKNOWN), "", "does not know: odd", 1),
        (report(UNKNOWN, UNKNOWN), "", "NOT CHECKED", 0),
        ("", "ConnectionError: Max retries exceeded with url: /x", "NOT CHECKED", 0),
        ("", "ERROR: requirement is not hashed", "pip-audit failed", 1),
    ],
)
def test_verdicts(given: str, said: str, verdict: str, code: int) -> None:
    text, found = verdict_of(given, said)
    assert verdict in text
    assert found == code
