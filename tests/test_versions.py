"""How versions compare, and what a worker takes by them and by names."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.errors import ConfigurationError
from durable.model.filters import OrchestrationWorkItemFilter, WorkItemFilters
from durable.model.functions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
)
from durable.model.http import HTTP_ACTIVITY
from durable.model.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    compare_versions,
)

ASCENDING = [
    None,
    "0.9",
    "1.0.dev1",
    "1.0a1",
    "1.0a2",
    "1.0-beta.1",
    "1.0rc1",
    "1.0",
    "1.0.post1",
    "1.0.1",
    "1.9",
    "1.10",
    "2",
    "10.0",
]


@pytest.mark.parametrize(("earlier", "later"), list(combinations(ASCENDING, 2)))
def test_versions_have_an_order(earlier: str | None, later: str) -> None:
    assert compare_versions(earlier, later) < 0
    assert compare_versions(later, earlier) > 0


@pytest.mark.parametrize(
    ("one", "other"), [(None, ""), ("1", "1.0.0"), ("v1.2", "1.2"), ("1.0RC1", "1.0-rc.1")]
)
def test_what_is_written_otherwise_may_be_the_same(one: str | None, other: str) -> None:
    assert compare_versions(one, other) == compare_versions(other, one) == 0


def test_other_words_compare_as_text() -> None:
    assert compare_versions("blue", "green") < 0
    assert compare_versions("10", "9") > 0
    assert compare_versions("10", "9-blue") < 0


@given(st.lists(st.integers(0, 10**60), min_size=1, max_size=4), st.text())
def test_any_text_has_its_place(numbers: list[int], text: str) -> None:
    version = ".".join(map(str, numbers))
    assert compare_versions(version, version) == 0
    assert compare_versions(version, text) == -compare_versions(text, version)


@pytest.mark.parametrize(
    ("strategy", "accepted"),
    [
        (VersionMatchStrategy.NONE, [None, "", "1.0", "2.0", "2.1"]),
        (VersionMatchStrategy.STRICT, ["2.0"]),
        (VersionMatchStrategy.CURRENT_OR_OLDER, [None, "", "1.0", "2.0"]),
    ],
)
def test_what_a_worker_of_a_version_accepts(
    strategy: VersionMatchStrategy, accepted: list[str | None]
) -> None:
    options = VersioningOptions("2.0", match_strategy=strategy)
    assert [v for v in (None, "", "1.0", "2.0", "2.1") if options.accepts(v)] == accepted


def test_a_worker_without_a_version_has_the_earliest_one() -> None:
    strict = VersioningOptions(match_strategy=VersionMatchStrategy.STRICT)
    assert (strict.accepts(None), strict.accepts("1.0")) == (True, False)
    assert strict.refusal("1.0") == (
        "the orchestration, version '1.0', does not match this worker, which has no version"
    )
    newer = VersioningOptions("2.0", match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER)
    assert newer.refusal("3") == (
        "the orchestration, version '3', is newer than this worker, version '2.0'"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": 2}, "version is 2: a version is a string, such as '2.0'"),
        ({"default_version": 2.0}, "default_version is 2.0: a version is a string"),
        ({"match_strategy": "strict"}, "write one of VersionMatchStrategy.NONE, Version"),
        ({"failure_strategy": VersionMatchStrategy.NONE}, "VersionFailureStrategy.REJECT"),
    ],
)
def test_other_options_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        VersioningOptions(**fields)


def test_the_default_rejects_and_matches_all() -> None:
    options = VersioningOptions()
    assert options.match_strategy is VersionMatchStrategy.NONE
    assert options.failure_strategy is VersionFailureStrategy.REJECT


# ---- work-item filters ----


def app() -> Registry:
    registry = Registry()
    for name in ("order", "ship"):
        registry.add(OrchestratorDefinition(name, print))
    for name in ("charge", "pack", HTTP_ACTIVITY):
        registry.add(ActivityDefinition(name, print))
    registry.add(EntityDefinition("counter", print))
    return registry


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        (WorkItemFilters(), ([], [], [])),
        (WorkItemFilters(["order"]), (["order"], [HTTP_ACTIVITY], [])),
        (WorkItemFilters(activities=["pack"]), ([], ["pack"], [])),
        (WorkItemFilters(activities=[HTTP_ACTIVITY]), ([], [HTTP_ACTIVITY], [])),
        (WorkItemFilters(entities=["Counter"]), ([], [], ["counter"])),
        (
            WorkItemFilters([OrchestrationWorkItemFilter("ship", ["1.0"])], ["charge"]),
            (["ship"], ["charge", HTTP_ACTIVITY], []),
        ),
    ],
)
def test_nothing_is_taken_but_what_is_named(
    filters: WorkItemFilters, taken: tuple[list[str], list[str], list[str]]
) -> None:
    registry = filters.applied(app())
    found = (list(registry.orchestrators), list(registry.activities), list(registry.entities))
    assert found == taken


def test_versions_of_an_orchestrator_may_be_named() -> None:
    several = OrchestrationWorkItemFilter("ship", ["1.0", "2.0"])
    filters = WorkItemFilters(["order", several, OrchestrationWorkItemFilter("ship", [""])])
    versions = (None, "1", "1.0", "1.5", "2.0")
    assert [v for v in versions if filters.accepts("order", v)] == list(versions)
    assert [v for v in versions if filters.accepts("ship", v)] == [None, "1", "1.0", "2.0"]
    assert not filters.accepts("other", None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"orchestrations": ["older"]}, "names the orchestrator 'older', which this app does not"),
        ({"activities": ["order"]}, "names the activity 'order'.* it has charge, durable_http, p"),
        ({"entities": ["order"]}, "names the entity 'order'"),
        ({"orchestrations": "order"}, "orchestrations is 'order': write a list of names"),
        ({"orchestrations": [3]}, "names an orchestrator 3: write its name"),
        ({"activities": [""]}, "names an activity '': write its name"),
        ({"entities": ["a@b"]}, "names the entity 'a@b': an entity's name must not"),
    ],
)
def test_filters_that_name_nothing_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkItemFilters(**fields).applied(app())


@pytest.mark.parametrize("versions", ["1.0", [1], {"1.0": 1}])
def test_versions_are_a_list_of_strings(versions: Any) -> None:
    with pytest.raises(ConfigurationError, match="write a list of strings"):
        OrchestrationWorkItemFilter("order", versions)
