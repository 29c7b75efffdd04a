"""Where the order of a set reaches what is decided: strings are ordered anew in each process."""

from __future__ import annotations

import ast

from durable.checking.project import Module, Project
from durable.checking.scopes import Scope

_SETS = frozenset({"builtins.set", "builtins.frozenset"})
_COMBINED = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_ORDERED = frozenset(f"builtins.{n}" for n in ("list", "tuple", "enumerate", "iter", "map", "zip"))
_UNORDERED = frozenset(
    f"builtins.{n}" for n in ("sorted", "set", "frozenset", "sum", "any", "all", "min", "max")
)
_DEPTH = 6


class Sets:
    """What is known of expressions in one project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def is_set(self, node: ast.expr, scope: Scope, module: Module, depth: int = 0) -> bool:
        """Whether an expression is a set, as far as reading tells."""
        if depth > _DEPTH:
            return False
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
                return self.is_set(left, scope, module, depth + 1)
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in _COMBINED:
                return self.is_set(value, scope, module, depth + 1)
            case ast.Call(func=function):
                return self._project.target(function, scope, module) in _SETS
            case ast.Name(id=name):
                found = scope.find(name)
                if found is None or found[1].is_opaque or not found[1].values:
                    return False
                owner, binding = found
                return all(self.is_set(v, owner, module, depth + 1) for v in binding.values)
        return False

    def unordered(self, node: ast.AST, scope: Scope, module: Module) -> list[ast.expr]:
        """The sets that a node goes through in their order, so that it shows."""
        match node:
            case ast.For(iter=source) | ast.AsyncFor(iter=source) if _acts(node):
                candidates = [source]
            case ast.ListComp() | ast.DictComp():
                candidates = [each.iter for each in node.generators]
            case ast.Call(func=ast.Attribute(value=value, attr="pop"), args=[]):
                candidates = [value]
            case ast.Call(func=function, args=given):
                name = self._project.target(function, scope, module)
                if isinstance(name, str) and name in _UNORDERED:
                    return []
                candidates = [
                    g.generators[0].iter for g in given if isinstance(g, ast.GeneratorExp)
                ]
                if isinstance(name, str) and name in _ORDERED:
                    candidates += given
                candidates += [g.value for g in given if isinstance(g, ast.Starred)]
            case _:
                return []
        return [each for each in candidates if self.is_set(each, scope, module)]


def _acts(loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop does more than compute: only then its order can show."""
    acting = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.Return | ast.Break
    return any(isinstance(node, acting) for each in loop.body for node in ast.walk(each))
