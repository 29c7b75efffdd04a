"""Golden histories are only ever added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden.manifest import HISTORIES, NAME, complaints, listed
from tests.golden.recipes import RECIPES, Recipe
from tests.golden.record import record
from tests.golden.steps import cut, run, start, wait

SHORT = Recipe("short", "one timer", [start("sleeps", "s", [5]), run(1), cut("waits"), wait("s")])


def test_no_golden_history_was_changed_or_removed() -> None:
    assert complaints(HISTORIES) == []


def test_every_recipe_is_recorded() -> None:
    recorded = {name.split(".")[0] for name in listed(HISTORIES)}
    assert {recipe.name for recipe in RECIPES} <= recorded


async def test_what_is_recorded_is_never_written_again(tmp_path: Path) -> None:
    names = await record(SHORT, tmp_path)
    assert names == ["short.waits.json", "short.end.json"]
    before = {name: (tmp_path / name).read_bytes() for name in [*names, NAME]}
    with pytest.raises(FileExistsError, match="only added"):
        await record(SHORT, tmp_path)
    # nor where somebody removed the file: its line is there
    (tmp_path / "short.waits.json").unlink()
    with pytest.raises(FileExistsError, match="is recorded already"):
        await record(SHORT, tmp_path)
    assert not (tmp_path / "short.waits.json").exists()
    assert {name: before[name] for name in ("short.end.json", NAME)} == {
        name: (tmp_path / name).read_bytes() for name in ("short.end.json", NAME)
    }


async def test_a_recording_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    await record(SHORT, tmp_path / "one")
    await record(SHORT, tmp_path / "two")
    assert listed(tmp_path / "one") == listed(tmp_path / "two") != {}


async def test_a_file_that_was_changed_removed_or_slipped_in_is_named(tmp_path: Path) -> None:
    await record(SHORT, tmp_path)
    assert complaints(tmp_path) == []
    waits, end = tmp_path / "short.waits.json", tmp_path / "short.end.json"
    stored = json.loads(waits.read_text())
    stored["then"] = []
    waits.write_text(json.dumps(stored))
    end.rename(tmp_path / "other.json")
    [slipped, gone, changed] = complaints(tmp_path)
    assert slipped.startswith(f"other.json is in no line of {NAME}")
    assert gone == "short.end.json is gone: restore it from version control"
    assert changed.startswith("short.waits.json was changed: it is what a released version wrote")
