"""No example escapes: each page with Python has a test that runs it, and such a test is strict."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.guide.pages import GUIDE, ROOT, Page
from tests.guide.running import Guide

PAGES = sorted(GUIDE.glob("*.md"))
OTHERS = ("README.md", "docs/migration.md")
"""Pages outside the guide with Python in them: tests/guide/test_readme.py and test_migration.py
run it."""


def test_every_page_with_python_is_known() -> None:
    found = {ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")}
    with_python = {page for page in found if Page(page).python}
    assert with_python == {page for page in PAGES if Page(page).python} | {
        ROOT / name for name in OTHERS
    }


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / name for name in OTHERS)], ids=lambda p: p.stem)
def test_every_page_has_a_test_that_runs_it(page: Path) -> None:
    if not Page(page).python:
        return
    name = "readme" if page.parent == ROOT else page.stem.replace("-", "_")
    test = ast.parse((ROOT / "tests" / "guide" / f"test_{name}.py").read_text())
    named = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant)}
    assert named & {page.stem, page.name, page.relative_to(ROOT).as_posix()}
    (the_page,) = (
        node
        for node in test.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "test_the_page"
    )
    # the one test that may leave nothing out
    assert "checked=False" not in ast.unparse(the_page)


def test_the_index_has_every_page() -> None:
    index = (GUIDE / "README.md").read_text()
    missing = [page.name for page in PAGES if f"]({page.name})" not in index]
    assert missing == ["README.md"]


TEXT = """# A page

```python
import durable as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def choose(context: df.DurableOrchestrationContext) -> str:
    if context.get_input():
        return "this"
    return "that"
```

1. A list:

   ```python
   await client.start_new("choose", "mine", True)
   ```

```sh
not python
```
"""


async def test_a_branch_and_an_example_that_did_not_run_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TEXT)
    with pytest.raises(AssertionError):
        async with Guide(page) as guide:
            assert await guide.outcome("choose", True) == "this"
    places = [place.rpartition(":") for place in guide.page.missing()]
    assert {place[0] for place in places} == {str(page)}
    assert [TEXT.splitlines()[int(place[2]) - 1].strip() for place in places] == [
        'return "that"',
        'await client.start_new("choose", "mine", True)',
    ]
    async with Guide(page) as guide:
        await guide.outcome("choose", False)
        await guide.snippet("start_new")
        await guide.wait("mine")
