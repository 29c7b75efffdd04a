"""What an indexed app has for this worker: functions by trigger, and those it cannot serve."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Protocol

import azure.functions as func

from durable.errors import ConfigurationError
from durable.model.crontab import Schedule, parse_schedule
from durable.model.functions import UserFunction
from durable.worker.invocation import CONTEXT, Invocable, signature, takes_context
from durable.worker.templates import Template

_HTTP, _TIMER, _QUEUE = "httpTrigger", "timerTrigger", "queueTrigger"
_RESERVED = ("admin", "runtime")
_QUEUE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


class AppFunction(Protocol):
    """What is used of `azure.functions.decorators.function_app.Function`."""

    def get_function_name(self) -> str | None: ...
    def get_user_function(self) -> UserFunction: ...
    def get_trigger(self) -> Any: ...
    def get_bindings(self) -> list[Any]: ...
    def get_setting(self, setting_name: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """`methods` None is every method."""

    call: Invocable
    route: Template
    methods: frozenset[str] | None
    level: func.AuthLevel


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """`expression` is the schedule as text, resolved."""

    call: Invocable
    expression: str
    schedule: Schedule
    run_on_startup: bool


@dataclass(frozen=True, slots=True)
class QueueFunction:
    """`queue` is resolved and in lower case; `connection` names a setting."""

    call: Invocable
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A function that this worker does not serve, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """HTTP functions are in the order in which their routes are tried."""

    http: tuple[HttpFunction, ...] = ()
    timers: tuple[TimerFunction, ...] = ()
    queues: tuple[QueueFunction, ...] = ()
    refused: tuple[Refused, ...] = ()
    warnings: tuple[str, ...] = ()


class _Refusal(Exception):
    """Why one function is not served."""


def take_inventory(
    functions: Iterable[AppFunction],
    *,
    skip: frozenset[str] = frozenset(),
    resolve: Callable[[str, str], str],
    zone: tzinfo = UTC,
) -> Inventory:
    """Sort `functions`, without those named in `skip`.

    `resolve(text, where)` replaces `%NAME%`, and crontabs go by `zone`. Raises ConfigurationError
    for a function that the Functions host could not load either: it would then load none at all.
    """
    http: list[HttpFunction] = []
    timers: list[TimerFunction] = []
    queues: list[QueueFunction] = []
    refused: list[Refused] = []
    warnings: list[str] = []
    named = ((function.get_function_name() or "", function) for function in functions)
    for name, function in sorted(named, key=lambda pair: (pair[0].casefold(), pair[0])):
        if name in skip:
            continue
        trigger = function.get_trigger().get_dict_repr()
        call = Invocable(name, function.get_user_function(), trigger["name"])
        _check_parameters(call, [binding.name for binding in function.get_bindings()])
        try:
            _check_bindings(function, trigger["type"])
            match trigger["type"]:
                case "httpTrigger":
                    http.append(_http(call, trigger))
                case "timerTrigger":
                    timers.append(_timer(call, trigger, resolve, zone))
                case _:
                    queues.append(_queue(call, trigger, resolve))
        except _Refusal as refusal:
            refused.append(Refused(name, str(refusal)))
            continue
        if function.get_setting("retry_policy") is not None:
            warnings.append(f"function {name}: its retry policy is not applied by this worker")
    return Inventory(tuple(http), tuple(timers), tuple(queues), tuple(refused), tuple(warnings))


def _check_bindings(function: AppFunction, kind: str) -> None:
    if kind not in (_HTTP, _TIMER, _QUEUE):
        raise _Refusal(f"this worker has no {kind}; only HTTP, timer and queue triggers")
    allowed = {kind, "http"} if kind == _HTTP else {kind}
    others = [f"{each.name} ({each.type})" for each in function.get_bindings()]
    known = [each.type in allowed for each in function.get_bindings()]
    strange = [text for text, fine in zip(others, known, strict=True) if not fine]
    if strange:
        raise _Refusal(f"this worker has no input and output bindings: {', '.join(strange)}")


def _check_parameters(call: Invocable, bindings: list[str]) -> None:
    parameters = signature(call.function).parameters
    accepted = {*bindings, CONTEXT} if takes_context(call) else set(bindings)
    if call.argument not in parameters:
        raise ConfigurationError(
            f"{_where(call)}: function {call.name} has no parameter {call.argument!r}, which its "
            "trigger fills; the Functions host would load no function of this app"
        )
    for name, parameter in parameters.items():
        if name not in accepted and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            raise ConfigurationError(
                f"{_where(call)}: parameter {name!r} of function {call.name} belongs to no "
                "binding; the Functions host would load no function of this app"
            )


def _where(call: Invocable) -> str:
    code = getattr(inspect.unwrap(call.function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(call.function)


def _http(call: Invocable, trigger: Mapping[str, Any]) -> HttpFunction:
    text = trigger.get("route")
    try:
        template = Template(call.name if text is None else text)
    except ValueError as error:
        raise _Refusal(f"its route {text!r} cannot be used: {error}") from error
    if template.first_literal.startswith(_RESERVED):
        raise _Refusal(
            f"its route {text!r} begins with {' or '.join(_RESERVED)}, which the Functions host "
            "keeps for itself"
        )
    methods = trigger.get("methods")
    level = str(_value(trigger.get("authLevel")) or "function").lower()
    try:
        auth_level = func.AuthLevel(level)
    except ValueError as error:
        raise _Refusal(f"there is no authLevel {level!r}") from error
    return HttpFunction(
        call,
        template,
        frozenset(str(_value(method)).upper() for method in methods) if methods else None,
        auth_level,
    )


def _timer(
    call: Invocable,
    trigger: Mapping[str, Any],
    resolve: Callable[[str, str], str],
    zone: tzinfo,
) -> TimerFunction:
    text = _resolved(resolve, trigger["schedule"], "its schedule").strip()
    try:
        schedule = parse_schedule(text, zone)
    except ValueError as error:
        raise _Refusal(f"its schedule {text!r} cannot be used: {error}") from error
    return TimerFunction(call, text, schedule, bool(trigger.get("runOnStartup")))


def _queue(
    call: Invocable, trigger: Mapping[str, Any], resolve: Callable[[str, str], str]
) -> QueueFunction:
    queue = _resolved(resolve, trigger["queueName"], "its queue").lower()
    if not _QUEUE_NAME.fullmatch(queue) or not 3 <= len(queue) <= 63:
        raise _Refusal(
            f"its queue is {queue!r}: a name is 3 to 63 letters, digits and single hyphens"
        )
    connection = _resolved(resolve, trigger.get("connection") or "", "its connection")
    return QueueFunction(call, queue, connection or "AzureWebJobsStorage")


def _resolved(resolve: Callable[[str, str], str], text: object, where: str) -> str:
    try:
        return resolve(str(text), where)
    except ConfigurationError as error:
        raise _Refusal(str(error)) from error


def _value(given: object) -> object:
    return getattr(given, "value", given)
