"""What host.json and settings say of versions, and of what a worker takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from durable.errors import ConfigurationError
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.model.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)
from durable.settings import Settings, load_settings

STRICT, OLDER = VersionMatchStrategy.STRICT, VersionMatchStrategy.CURRENT_OR_OLDER
FAIL = VersionFailureStrategy.FAIL
OVERRIDE = "AzureFunctionsJobHost__extensions__durableTask__"


def load(
    folder: Path, section: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    host = {"version": "2.0", "extensions": {"durableTask": dict(section or {})}}
    (folder / "host.json").write_text(json.dumps(host))
    return load_settings(folder, environ or {})


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ({}, VersioningOptions()),
        # as the extension of Durable Functions takes them
        ({"defaultVersion": "2.0"}, VersioningOptions("2.0", "2.0", OLDER)),
        (
            {"defaultVersion": "2.0", "versionMatchStrategy": "None"},
            VersioningOptions("2.0", "2.0"),
        ),
        (
            {
                "defaultVersion": "2.0",
                "versionMatchStrategy": "strict",
                "versionFailureStrategy": "Fail",
            },
            VersioningOptions("2.0", "2.0", STRICT, FAIL),
        ),
        (
            {"versionMatchStrategy": "CurrentOrOlder", "versionFailureStrategy": "Reject"},
            VersioningOptions(match_strategy=OLDER),
        ),
        ({"defaultVersion": ""}, VersioningOptions("", "", OLDER)),
    ],
)
def test_versioning_in_host_json(
    tmp_path: Path, section: dict[str, Any], options: VersioningOptions
) -> None:
    assert load(tmp_path, section).versioning.over(VersioningOptions()) == options


def test_host_json_goes_before_code_value_by_value(tmp_path: Path) -> None:
    code = VersioningOptions("3.0", "2.5", STRICT, FAIL)
    assert load(tmp_path).versioning.over(code) == code
    environ = {f"{OVERRIDE}versionFailureStrategy": "Reject"}
    assert load(tmp_path, environ=environ).versioning.over(code) == VersioningOptions(
        "3.0", "2.5", STRICT
    )
    other = load(tmp_path, {"defaultVersion": "4.0"}).versioning.over(code)
    assert other == VersioningOptions("4.0", "4.0", STRICT, FAIL)


FILTERS = [
    ({}, {}, None),
    ({"workItemFilters": {}}, {}, WorkItemFilters()),
    (
        {
            "workItemFilters": {
                "orchestrations": ["order", {"name": "ship", "versions": ["1.0", ""]}],
                "activities": ["charge"],
                "entities": ["Counter"],
            }
        },
        {},
        WorkItemFilters(
            ["order", OrchestrationWorkItemFilter("ship", ["1.0", ""])], ["charge"], ["counter"]
        ),
    ),
    (
        {"workItemFilters": {"orchestrations": ["order"], "activities": ["charge"]}},
        {"DURABLE_ONLY_ACTIVITIES": "pack, weigh,"},
        WorkItemFilters(activities=["pack", "weigh"]),
    ),
    (
        {},
        {"DURABLE_ONLY_ORCHESTRATIONS": "order,ship@2.0", "DURABLE_ONLY_ENTITIES": "counter"},
        WorkItemFilters(
            ["order", OrchestrationWorkItemFilter("ship", ["2.0"])], entities=["counter"]
        ),
    ),
    ({}, {f"{OVERRIDE}workItemFilters__entities": "counter"}, WorkItemFilters((), (), ["counter"])),
    ({}, {"DURABLE_ONLY_ACTIVITIES": ","}, WorkItemFilters()),
    ({}, {"DURABLE_ONLY_ACTIVITIES": " "}, None),
]


@pytest.mark.parametrize(("section", "environ", "filters"), FILTERS)
def test_work_item_filters(
    tmp_path: Path, section: dict[str, Any], environ: dict[str, str], filters: WorkItemFilters
) -> None:
    assert load(tmp_path, section, environ).filters == filters


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"defaultVersion": 2.0}, r"durableTask\.defaultVersion is 2\.0: write a string"),
        (
            {"versionMatchStrategy": "newest"},
            r'versionMatchStrategy is "newest": write one of None, Strict, CurrentOrOlder',
        ),
        (
            {"versionFailureStrategy": True},
            r"versionFailureStrategy is true: write a string",
        ),
        (
            {"versionFailureStrategy": "Strict"},
            r"versionFailureStrategy is .Strict.: write one of Reject, Fail",
        ),
        ({"workItemFilters": ["order"]}, r"workItemFilters is \[.order.\]: must be an object"),
        (
            {"workItemFilters": {"orchestrations": {"name": "order"}}},
            r"orchestrations is .*: write a list such as \[.order., \{.name.: .ship.",
        ),
        (
            {"workItemFilters": {"orchestrations": [{"versions": ["1.0"]}]}},
            r"orchestrations is .*: a work-item filter names an orchestrator '': write its name",
        ),
        (
            {"workItemFilters": {"orchestrations": [{"name": "ship", "versions": "1.0"}]}},
            r"orchestrations is .*: the versions of 'ship' are '1\.0': write a list of strings",
        ),
        ({"workItemFilters": {"activities": [1]}}, r"activities is \[1\]: write a list of strings"),
        (
            {"workItemFilters": {"entities": ["a@b"]}},
            r"entities is \[.a@b.\]: a work-item filter names the entity 'a@b'",
        ),
    ],
)
def test_faults_are_named(tmp_path: Path, section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, section)
