"""Which functions are orchestrators, in every style that an app may have them in.

| style | |
| --- | --- |
| decorated | `@app.orchestration_trigger(…)`, of a blueprint too; `@hub.orchestrator` |
| wrapped | `Orchestrator.create(function)`, a file per function as in 1.x |
| added | `worker.add_orchestrator(function)`, `OrchestratorDefinition(name, function)` |
| annotated | a parameter that is an orchestration's context: a part of one |
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from durable.checking.project import Function, Module, Project
from durable.checking.scopes import FunctionNode, Scope

_ORCHESTRATORS = frozenset({"orchestration_trigger", "orchestrator"})
_OTHERS = frozenset({"activity_trigger", "entity_trigger", "activity", "entity", "queued_activity"})
_CONTEXTS = ("DurableOrchestrationContext", "OrchestrationContext")


@dataclass
class Roles:
    """What functions of a module are."""

    orchestrators: list[Function] = field(default_factory=list)
    annotated: list[Function] = field(default_factory=list)
    """Those that take an orchestration's context, and may be called by one."""
    others: set[Function] = field(default_factory=set)
    """Activities and entities."""


def roles_in(module: Module, project: Project) -> Roles:
    """What the functions of a module are."""
    roles = Roles()
    for function in module.functions:
        names = {_decorator(each) for each in function.node.decorator_list}
        if names & _ORCHESTRATORS:
            roles.orchestrators.append(function)
        elif names & _OTHERS:
            roles.others.add(function)
        elif _takes_context(function):
            roles.annotated.append(function)
    for scope, call in _calls(module.tree, module.scope, module):
        kind, given = _registered(call)
        if given is None:
            continue
        function_or = _wrapped(given, scope, module) or project.target(given, scope, module)
        if isinstance(function_or, Function):
            if kind == "orchestrator":
                roles.orchestrators.append(function_or)
            else:
                roles.others.add(function_or)
    return roles


def is_replaying(node: ast.expr) -> bool:
    """Whether that asks if code runs again over its history."""
    return isinstance(node, ast.Attribute) and node.attr == "is_replaying"


def _decorator(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else ""


def _takes_context(function: Function) -> bool:
    arguments = function.node.args
    for each in (*arguments.posonlyargs, *arguments.args):
        note = each.annotation
        if note is None:
            continue
        text = note.value if isinstance(note, ast.Constant) else ast.unparse(note)
        if str(text).rpartition(".")[2] in _CONTEXTS:
            return True
    return False


def _calls(node: ast.AST, scope: Scope, module: Module) -> Iterator[tuple[Scope, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, FunctionNode):
            inner = module.by_node[child].inner
        elif isinstance(child, ast.Call):
            yield scope, child
        yield from _calls(child, inner, module)


def _wrapped(given: ast.expr, scope: Scope, module: Module) -> Function | None:
    """The function of `main = Orchestrator.create(main)`, which the name stands for no more."""
    found = scope.find(given.id) if isinstance(given, ast.Name) else None
    if found is None or not found[1].values or len(found[1].definitions) != 1:
        return None
    return module.by_node.get(found[1].definitions[0])


def _registered(call: ast.Call) -> tuple[str, ast.expr | None]:
    """What a call makes of which function."""
    text = ast.unparse(call.func)
    last = text.rpartition(".")[2]
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if text.endswith("Orchestrator.create") or last == "add_orchestrator":
        return "orchestrator", given[0] if given else None
    if last == "OrchestratorDefinition" and len(given) > 1:
        return "orchestrator", given[1]
    if text.endswith("Entity.create") or last in ("add_activity", "add_entity"):
        return "other", given[0] if given else None
    if last in ("ActivityDefinition", "EntityDefinition") and len(given) > 1:
        return "other", given[1]
    return "", None
