"""The table of docs/compatibility.md, against the originals' names and against what is here."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest

from durable.compat.names import MODULES
from tests.compat import inventory
from tests.compat.running import aliased
from tools.processes import ROOT

PACKAGES = inventory.read()


@dataclass(frozen=True)
class Row:
    """A line of the table, for one of its names."""

    package: str
    module: str
    name: str
    verdict: str
    text: str
    test: str

    @property
    def names(self) -> list[inventory.Name]:
        return PACKAGES[self.package][self.module][self.name]


def rows() -> list[Row]:
    found = []
    for section in (ROOT / "docs/compatibility.md").read_text().split("\n## ")[1:]:
        package, *lines = section.splitlines()
        for line in lines:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 5 and cells[0] != "module" and not cells[0].startswith("-"):
                module, names, verdict, text, test = cells
                for name in re.findall(r"`(\w+)`", names):
                    found.append(Row(package, module, name, verdict, text, test))
    return found


ROWS = rows()


def those(verdict: str) -> list[Row]:
    return [row for row in ROWS if row.verdict == verdict]


def test_each_name_has_one_place() -> None:
    listed = Counter((row.package, row.module, row.name) for row in ROWS)
    known = Counter(
        (package, module, name)
        for package, modules in PACKAGES.items()
        for module, names in modules.items()
        for name in names
    )
    assert listed == known
    assert {row.verdict for row in ROWS} == {"yes", "differs", "no"}


def test_what_is_there_is_there_as_a_whole() -> None:
    with aliased():
        wrong = {
            f"{row.module} {row.name}": found
            for row in those("yes")
            if (found := sorted(inventory.differences(row.module, row.names)))
        }
    assert wrong == {}


def test_what_differs_says_all_that_differs() -> None:
    unsaid = {}
    with aliased():
        for row in those("differs"):
            found = set(inventory.differences(row.module, row.names))
            if not row.text or (left := found - set(re.findall(r"`([^`]+)`", row.text))):
                unsaid[f"{row.module} {row.name}"] = left
    assert unsaid == {}


def test_what_is_not_there_says_why_and_is_not_there() -> None:
    with aliased():
        for row in those("no"):
            assert row.text, row
            with pytest.raises((ImportError, AttributeError), match="compatibility layer"):
                inventory.lookup(row.module, row.name)


def test_a_package_does_not_hide_that_a_name_differs() -> None:
    defined = {
        (row.package, row.name): row.verdict for row in ROWS if not row.names[0].is_taken_over
    }
    hidden = [
        row
        for row in those("yes")
        if row.names[0].is_taken_over and defined.get((row.package, row.name)) == "differs"
    ]
    assert hidden == []


def test_the_named_test_uses_the_name() -> None:
    """Itself, or the apps that lie beside it; this one looks at all of them."""
    used = {row.test: _text(row.test) for row in ROWS if row.verdict != "no"}
    unused = [
        f"{row.test}: {row.name}"
        for row in ROWS
        if row.verdict != "no"
        and row.test != "compat/test_names.py"
        and not re.search(rf"\b{row.name}\b", used[row.test])
    ]
    assert unused == []


def _text(test: str) -> str:
    file = ROOT / "tests" / test
    apps = sorted((file.parent / "apps").rglob("*.py"))
    return "\n".join(each.read_text() for each in (file, *apps))


def test_each_module_of_the_layer_is_one_of_theirs() -> None:
    known = {module for modules in PACKAGES.values() for module in modules}
    packages = {parent for module in known for parent in _parents(module)}
    # their `__init__` that has no names of its own is not in the inventory
    assert {module for module in MODULES if module not in known | packages} == set()


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def test_the_comparison_sees_what_is_missing() -> None:
    with aliased():
        module = "azure.durable_functions.models.RetryOptions"
        assert list(
            inventory.differences(
                module,
                [
                    inventory.Name("RetryOptions", ("first_retry_interval_in_milliseconds",)),
                    inventory.Name("RetryOptions.to_json", ("indent",)),
                    inventory.Name("RetryOptions.max_number_of_attempts", None),
                    inventory.Name("RetryOptions.max_waits", None),
                ],
            )
        ) == ["RetryOptions()", "to_json()", "max_waits"]
