"""Reads the body of an orchestrator and of what it calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from durable.checking import rules
from durable.checking.discovery import is_replaying
from durable.checking.findings import Finding, Step, allowed_at, allows
from durable.checking.ordering import Sets
from durable.checking.project import Class, Function, Module, Project
from durable.checking.scopes import Scope

_OURS = ("durable", "azure.durable_functions", "azure.functions", "durabletask", "builtins")
_CALLERS = frozenset(
    {"builtins.map", "builtins.filter", "builtins.sorted", "functools.partial", "functools.reduce"}
)


@dataclass(frozen=True)
class Way:
    """How a function was reached: from which orchestrator, by which calls, and what comments on
    these calls allow."""

    orchestrator: str
    via: tuple[Step, ...] = ()
    allowed: frozenset[str] = frozenset()


class Visitor:
    """Walks functions, each once for an orchestrator, and reports what it finds."""

    def __init__(
        self, project: Project, others: set[Function], report: Callable[[Finding], None]
    ) -> None:
        """`others` are activities and entities: not to be run in place."""
        self._project = project
        self._others = others
        self._report = report
        self._sets = Sets(project)
        self.seen: set[Function] = set()
        """All functions that were read."""

    def check(self, function: Function) -> None:
        """Read an orchestrator."""
        self._follow(function, Way(function.name), set())

    def _follow(self, function: Function, way: Way, done: set[Function]) -> None:
        if function in done:
            return
        done.add(function)
        self.seen.add(function)
        _Body(self, function, way, done).read()


class _Body:
    """One function on one way to it."""

    def __init__(self, owner: Visitor, function: Function, way: Way, done: set[Function]) -> None:
        self._owner = owner
        self._project = owner._project
        self._module: Module = function.module
        self._function = function
        self._way = way
        self._done = done

    def read(self) -> None:
        for each in self._function.node.body:
            self._visit(each, self._function.inner)

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.ClassDef():
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                # what an orchestrator defines is a part of it
                inner = self._module.by_node[node]
                if inner not in self._owner._others:
                    for each in node.body:
                        self._visit(each, inner.inner)
                return
            case ast.Lambda():
                self._visit(node.body, Scope(node, scope, scope.package))
                return
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=asked)) if is_replaying(asked):
                for each in node.body:
                    # done once, and nothing comes of it
                    if not (isinstance(each, ast.Expr) and not _waits(each)):
                        self._visit(each, scope)
                for each in node.orelse:
                    self._visit(each, scope)
                return
            case ast.Call():
                self._call(node, scope)
            case ast.Await(value=ast.Call() as call) | ast.AsyncFor(iter=ast.Call() as call):
                self._wait(call, scope)
            case ast.AsyncWith(items=items):
                for item in items:
                    if isinstance(item.context_expr, ast.Call):
                        self._wait(item.context_expr, scope)
            case ast.Attribute(ctx=ast.Load()):
                self._use(node, scope)
            case ast.Name():
                self._use(node, scope)
        if (changed := self._module.container(node, scope)) is not None:
            self._state(changed)
        for unordered in self._owner._sets.unordered(node, scope, self._module):
            self._found(
                unordered,
                rules.SETS,
                f"goes through the set `{_short(unordered)}`, whose order differs between "
                "processes: use sorted(...), or a list or dict",
            )
        for child in ast.iter_child_nodes(node):
            self._visit(child, scope)

    def _call(self, call: ast.Call, scope: Scope) -> None:
        target = self._project.target(call.func, scope, self._module)
        if isinstance(target, str):
            rule = rules.rule_of(target, call)
            if rule is not None:
                self._found(call, rule.code, f"`{_short(call.func)}()` {rule.says}")
            if target in _CALLERS:
                for each in call.args:
                    passed = self._project.target(each, scope, self._module)
                    if isinstance(passed, Function) and passed not in self._owner._others:
                        self._enter(passed, call)
        elif isinstance(target, Function):
            if target in self._owner._others:
                self._found(
                    call,
                    rules.ACTIVITY,
                    f"`{_short(call.func)}()` runs here and again in each replay: use "
                    f"context.call_activity({_short(call.func)}, ...)",
                )
            else:
                self._enter(target, call)
        elif isinstance(target, Class):
            for name in ("__init__", "__post_init__"):
                made = self._project.member(target, name)
                if isinstance(made, Function):
                    self._enter(made, call)
            for field, factory in _defaults(target.node, call):
                self._default(target, field, factory, call)
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "run_in_executor":
            rule = rules.Rule.of(rules.TASKS)
            self._found(call, rule.code, f"`{_short(call.func)}()` {rule.says}")

    def _default(self, made: Class, field: str, factory: ast.expr, call: ast.Call) -> None:
        """A field of a dataclass or model that a call fills by a function."""
        inner = factory.body if isinstance(factory, ast.Lambda) else None
        asked = [ast.Call(factory, [], [])] if inner is None else ast.walk(inner)
        for each in asked:
            if not isinstance(each, ast.Call):
                continue
            target = self._project.target(each.func, made.scope, made.module)
            if isinstance(target, Function):
                self._enter(target, call)
            rule = rules.rule_of(target, each) if isinstance(target, str) else None
            if rule is not None:
                self._found(
                    call,
                    rule.code,
                    f"`{_short(call.func)}()` fills `{field}` by `{_short(each.func)}()`, which "
                    f"{rule.says}",
                )

    def _wait(self, call: ast.Call, scope: Scope) -> None:
        """An awaited call of what is neither durable nor of the project."""
        target = self._project.target(call.func, scope, self._module)
        if not isinstance(target, str) or rules.rule_of(target, call) is not None:
            return
        if any(target == ours or target.startswith(f"{ours}.") for ours in _OURS):
            return
        names = [
            each.id
            for each in (*call.args, *(k.value for k in call.keywords))
            if isinstance(each, ast.Name)
        ]
        parameters = self._function.node.args
        taken = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
        context = next((name for name in taken if name not in ("self", "cls")), None)
        if context in names:
            # it is given the context: somebody's helper for orchestrators
            return
        self._found(
            call,
            rules.AWAIT,
            f"`{_short(call.func)}()` is awaited and not durable, which fails in replay: call it "
            "in an activity",
        )

    def _use(self, node: ast.Name | ast.Attribute, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            target = self._project.target(node, scope, self._module)
            if isinstance(target, str) and target in ("os.environ", "os.environb"):
                rule = rules.EXACT[target]
                self._found(node, rule.code, f"`{_short(node)}` {rule.says}")
            elif isinstance(target, Function) and target.is_property:
                self._enter(target, node)
        variable = self._project.variable(node, scope)
        if variable is not None and variable[1] in variable[0].changing:
            self._state(node)

    def _state(self, node: ast.Name | ast.Attribute) -> None:
        self._found(
            node,
            rules.STATE,
            f"`{_short(node)}` is changed while the process lives, so that replay finds another "
            "value: keep it in the input, in local variables, or in an entity",
        )

    def _enter(self, function: Function, call: ast.expr) -> None:
        allowed = self._way.allowed | allowed_at(self._module.lines, call.lineno)
        step = Step(function.name, self._module.shown, call.lineno)
        way = replace(self._way, via=(*self._way.via, step), allowed=allowed)
        self._owner._follow(function, way, self._done)

    def _found(self, node: ast.expr, code: str, message: str) -> None:
        lines = self._module.lines
        allowed = self._way.allowed | allowed_at(lines, node.lineno)
        if node.end_lineno is not None:
            allowed |= allowed_at(lines, node.end_lineno)
        if not allows(allowed, code):
            self._owner._report(
                Finding(
                    self._module.shown,
                    node.lineno,
                    node.col_offset + 1,
                    code,
                    message,
                    self._way.orchestrator,
                    self._way.via,
                )
            )


def _defaults(node: ast.ClassDef, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """The fields with a `default_factory` that a call of the class does not give."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return
    given = {keyword.arg for keyword in call.keywords}
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    for each in fields[len(call.args) :]:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(keywords=options)):
                if name in given or None in given:
                    continue
                for option in options:
                    if option.arg == "default_factory":
                        yield name, option.value


def _waits(node: ast.AST) -> bool:
    waiting = ast.Await | ast.Yield | ast.YieldFrom
    return any(isinstance(each, waiting) for each in ast.walk(node))


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:59]}…"
