"""What a type checker says of programs: of correct ones nothing, of wrong ones the line.

A line of programs/ that is wrong ends with `# E: <part of what mypy says of it>`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))

_MARK = re.compile(r"# E: (.+)$")
_SAID = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: (?P<text>.+)$", re.MULTILINE)

Lines = dict[tuple[str, int], list[str]]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """What mypy finds in all programs, by file and line."""
    said, trouble, code = api.run(
        [
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--cache-dir={tmp_path_factory.mktemp('mypy')}",
            "--no-pretty",
            *map(str, PROGRAMS),
        ]
    )
    assert (trouble, code) == ("", 1), said
    found: Lines = {}
    for error in _SAID.finditer(said):
        found.setdefault((Path(error["file"]).name, int(error["line"])), []).append(error["text"])
    return found


def marked(program: Path) -> dict[int, str]:
    """The lines that are wrong, with what is to be said of each."""
    lines = enumerate(program.read_text().splitlines(), start=1)
    return {number: mark[1] for number, line in lines if (mark := _MARK.search(line))}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_errors_are_on_the_marked_lines_and_nowhere_else(program: Path, errors: Lines) -> None:
    expected = marked(program)
    found = {line: texts for (name, line), texts in errors.items() if name == program.name}
    assert {line: texts for line, texts in found.items() if line not in expected} == {}
    missing = {
        line: (part, found.get(line))
        for line, part in expected.items()
        if not any(part in text for text in found.get(line, ()))
    }
    assert missing == {}


def test_the_programs_assert_types_and_are_wrong_in_places() -> None:
    texts = {path.stem: path.read_text() for path in PROGRAMS}
    assert set(texts) == {"activities", "asking", "context", "orchestrators", "shop"}
    for name in ("activities", "context", "orchestrators"):
        assert texts[name].count("assert_type(") > 10
        assert len(marked(Path(__file__).parent / "programs" / f"{name}.py")) > 5
