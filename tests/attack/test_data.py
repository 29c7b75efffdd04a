"""Data stays data: nothing that is read decides what is imported, evaluated or asked for."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.hub.keys import encode, head_key, inbox_key
from durable.storage.limits import check_key
from tests.azurite import ROOT

PACKAGE = ROOT / "durable"
FILTERS = "storage/azure/odata.py"
"""The one file that makes OData of conditions."""

SDK_QUERIES = "storage/azure/sdk/tables.py"
"""The one file that hands a filter to the SDK."""

IMPORTERS = {
    "__init__.py",
    "compat/aliases.py",
    "compat/v2/azure_blob.py",
    "runtime/process.py",
    "worker/app_loader.py",
}
"""Where modules are imported by names from code, and, for the app, from the command line."""

EVALUATORS = {"eval", "exec", "compile", "__import__", "breakpoint"}
UNPICKLERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "xmlrpc"}
ODATA = re.compile(r"\b(eq|ne|lt|le|gt|ge)\s*(['{%]|$)|PartitionKey|RowKey|\$filter")


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Each module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def test_nothing_is_imported_or_evaluated_while_hostile_data_is_read() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attack.decoding"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["caught"] == []
    assert said["heard"][0].startswith("pickle.find_class")
    assert "exec" in said["heard"]
    assert said["read"] > 1000
    assert said["answered"] == 400


def test_no_module_evaluates_or_unpickles() -> None:
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id in EVALUATORS:
                    found.append(f"{name}:{node.lineno} {called.id}")
                imports = isinstance(called, ast.Attribute) and called.attr == "import_module"
                if imports and name not in IMPORTERS:
                    found.append(f"{name}:{node.lineno} import_module")
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            if {module.partition(".")[0] for module in modules} & UNPICKLERS:
                found.append(f"{name} imports {modules}")
    assert found == []


def odata_in(tree: ast.Module) -> list[str]:
    """Texts put together that look like parts of a filter."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(v.value) if isinstance(v, ast.Constant) else "{" for v in node.values]
            text = "".join(parts)
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Add | ast.Mod)
            and isinstance(node.left, ast.Constant)
            and isinstance(node.left.value, str)
        ):
            text = node.left.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("format", "join")
            and isinstance(node.func.value, ast.Constant)
        ):
            text = str(node.func.value.value)
        else:
            continue
        if ODATA.search(text):
            found.append(f"{node.lineno}: {text}")
    return found


def test_filters_are_made_in_one_place() -> None:
    places = {name: found for name, tree in trees() if (found := odata_in(tree))}
    assert list(places) == [FILTERS], places
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("query_entities", "query_filter"):
                assert name == SDK_QUERIES, f"{name}:{node.lineno}"


@pytest.mark.parametrize(
    "code",
    [
        "f\"PartitionKey eq '{key}'\"",
        "f\"RowKey ge '{low}'\"",
        '"name eq \'" + name',
        "\"name eq '%s'\" % name",
        '"status eq {}".format(status)',
        'f"{column} eq {value}"',
    ],
)
def test_the_lint_sees_a_filter_made_by_hand(code: str) -> None:
    assert odata_in(ast.parse(code))


IDS = st.text(max_size=300).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
HOSTILE_IDS = st.one_of(
    IDS,
    st.lists(
        st.sampled_from(
            [
                "'",
                "''",
                "/",
                "\\",
                "#",
                "?",
                "%",
                "|",
                "!",
                "=",
                "~",
                "\x00",
                "\x7f",
                "\u0085",
                "..",
                "' or PartitionKey ne '",
                "=2F",
                "%2F",
                "𝄞",
                "a",
            ]
        ),
        max_size=40,
    ).map("".join),
)


@given(HOSTILE_IDS, HOSTILE_IDS)
def test_no_id_escapes_from_its_key(one: str, other: str) -> None:
    for key in (encode(one), head_key(one), inbox_key("ab", one)):
        check_key("RowKey", key)
        assert "'" not in key
        assert "|" not in key.removeprefix("ab|b|")
    assert (encode(one) == encode(other)) is (one == other)
