"""Runs today's orchestrators over stored histories; see `replay`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from durable.engine.execution import Execution
from durable.errors import InvalidRequestError, NonDeterminismError, UnknownFormat
from durable.model.entities import is_entity
from durable.model.events import ExecutionCompleted, ExecutionStarted
from durable.model.functions import OrchestratorDefinition, Registry
from durable.model.instance import Parent
from durable.model.versioning import VersioningOptions
from durable.purging import with_purge_jobs
from durable.replaying.files import histories_in, history_in, history_of
from durable.replaying.report import Replayed, ReplayReport, Verdict
from durable.replaying.steps import step_of
from durable.replaying.stored import StoredHistory, UnreadableHistory
from durable.runtime.forking import took_nothing_over
from durable.runtime.loopless import without_event_loop

Stored = StoredHistory | UnreadableHistory


def replay(
    history: object,
    app: object,
    *,
    instance_id: str = "",
    versioning: VersioningOptions | None = None,
) -> ReplayReport:
    """Run the app's orchestrators over stored histories; nothing else of the app runs.

    `history` is a file of `durable replay --save` or of history export or a folder of them (a
    `Path` or its text), the content of one (bytes, or its JSON), a `StoredHistory`, what
    `client.get_history(id, payloads=True)` gave (with `instance_id`, for code that reads it),
    or several of these in a list. `app` is a DFApp, a Blueprint or a Registry. Instances that
    `versioning` refuses are skipped.

    Raises InvalidRequestError for what is neither.
    """
    registry = registry_of(app)
    found = (judge(each, registry, versioning) for each in _stored(history, instance_id))
    return ReplayReport(tuple(found))


def registry_of(app: object) -> Registry:
    """The functions of an app, those that the package brings along too. Raises
    InvalidRequestError for what is no app."""
    if isinstance(app, Registry):
        registry = app
    else:
        if hasattr(app, "get_functions"):
            # only then each function has the name that it ends up with
            app.get_functions()
        found = getattr(getattr(app, "durable", None), "registry", None)
        if not isinstance(found, Registry):
            raise InvalidRequestError(
                f"a history is replayed against a DFApp or a Blueprint, not {type(app).__name__}"
            )
        registry = found
    whole = Registry()
    whole.update(registry)
    return with_purge_jobs(whole)


def judge(
    history: Stored, registry: Registry, versioning: VersioningOptions | None = None
) -> Replayed:
    """What replay of one history comes to."""
    if isinstance(history, UnreadableHistory):
        return Replayed(
            history.instance_id,
            history.name,
            Verdict.UNREADABLE,
            why=history.why,
            source=history.source,
        )
    if is_entity(history.instance_id):
        return _judged(history, Verdict.SKIPPED, why="an entity has no code that is replayed")
    refusal = (versioning or VersioningOptions()).refusal(history.version)
    if refusal is not None:
        return _judged(history, Verdict.SKIPPED, why=refusal)
    if (failure := took_nothing_over(history.turns)) is not None:
        why = f"a fork that took nothing over: {failure.message}"
        return _judged(history, Verdict.SKIPPED, why=why)
    definition = registry.orchestrators.get(history.name)
    if definition is None:
        return _judged(history, Verdict.GONE)
    try:
        with without_event_loop():
            return _replayed(history, definition)
    except Exception as error:
        why = f"its events do not make a history: {type(error).__name__}: {error}"
        return _judged(history, Verdict.UNREADABLE, why=why)


def _replayed(history: StoredHistory, definition: OrchestratorDefinition) -> Replayed:
    name, version = history.name, history.version
    start = ExecutionStarted(name, history.execution_id, history.input, version)
    above = history.parent_instance_id
    parent = None if above is None else Parent(above, "", "", 0)
    given = definition, history.instance_id, start, parent, history.turns
    try:
        Execution.replay(*given).close()
    except NonDeterminismError as error:
        if _has_failed(history) and _goes_on(given):
            return _judged(history, Verdict.MENDED)
        return _judged(
            history,
            Verdict.MISMATCH if error.failure is None else Verdict.FAILS,
            expected=error.expected,
            actual=error.actual,
            place=error.place,
            is_past=error.is_past,
            step=step_of(history.turns, error.turn),
            failure=error.failure,
        )
    return _judged(history, Verdict.SAME)


def _has_failed(history: StoredHistory) -> bool:
    last = history.turns[-1].events[-1:] if history.turns else ()
    return bool(last) and isinstance(last[0], ExecutionCompleted) and last[0].failure is not None


def _goes_on(given: tuple[Any, ...]) -> bool:
    """Whether code fits a failed history up to its failure, and then does something else."""
    try:
        Execution.failed(*given).close()
    except NonDeterminismError:
        return False
    return True


def _judged(history: StoredHistory, verdict: Verdict, **found: Any) -> Replayed:
    return Replayed(
        history.instance_id,
        history.name,
        verdict,
        version=history.version,
        status=history.status,
        source=history.source,
        **found,
    )


def _stored(history: object, instance_id: str) -> Iterator[Stored]:
    match history:
        case StoredHistory() | UnreadableHistory():
            yield history
        case Path():
            yield from histories_in(history)
        case bytes():
            yield history_in(history)
        case str():
            text = history.lstrip()
            yield from (
                [history_in(text.encode())] if text[:1] == "{" else histories_in(Path(history))
            )
        case Mapping():
            yield history_of(history)
        case Iterable():
            each = list(history)
            if each and all(isinstance(event, tuple) for event in each):
                yield _of_events(each, instance_id)
            else:
                for one in each:
                    yield from _stored(one, instance_id)
        case _:
            raise InvalidRequestError(
                f"a {type(history).__name__} is no history: give a file, a folder, or what "
                "client.get_history gave"
            )


def _of_events(events: list[Any], instance_id: str) -> Stored:
    try:
        return StoredHistory.of_events(events, instance_id=instance_id)
    except UnknownFormat as error:
        return UnreadableHistory(instance_id, str(error))
