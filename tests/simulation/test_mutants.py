"""The mutants fit today's code. `make mutants` kills them, which takes minutes."""

from __future__ import annotations

import ast
import re

import pytest

from tests.simulation.mutants import MUTANTS, ROOT, Mutant, replaced


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_texts_are_there_and_what_is_left_is_python(mutant: Mutant) -> None:
    texts: dict[str, str] = {}
    for name, old, new in mutant.edits:
        before = texts.get(name) or (ROOT / "durable" / name).read_text()
        texts[name] = replaced(before, old, new)
    for text in texts.values():
        ast.parse(text)


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_what_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert not [name for name in named if f"def {name}(" not in tests]
    planted = set(re.findall(r'"([^"`]+)"', "".join(re.findall(r"mutants? (.*?)\|", page))))
    assert planted
    assert planted <= {mutant.name for mutant in MUTANTS}
