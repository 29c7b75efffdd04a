"""What names mean in a module or function: imports, definitions, parameters, what is assigned."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = FunctionNode | ast.ClassDef
ScopeNode = ast.Module | FunctionNode | ast.Lambda
BUILTINS = frozenset(dir(builtins))


@dataclass(slots=True)
class Binding:
    """All that a name is bound to in one scope. `is_opaque` says that it may be anything."""

    imports: list[str] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    values: list[ast.expr] = field(default_factory=list)
    is_opaque: bool = False


class Scope:
    """The names of a module, function or lambda; `package` is what relative imports begin at."""

    def __init__(self, node: ScopeNode, parent: Scope | None, package: str) -> None:
        self.node = node
        self.parent = parent
        self.package = package
        self.names: dict[str, Binding] = {}
        self.outer: set[str] = set()
        """Names that `global` or `nonlocal` declare."""
        self.stars: list[str] = []
        """Modules all names of which are imported, the last first: it hides those before."""
        if isinstance(node, FunctionNode | ast.Lambda):
            self._add_parameters(node.args)
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        for each in body:
            self._add(each)
        for name in self.outer:
            self.names.pop(name, None)

    def find(self, name: str) -> tuple[Scope, Binding] | None:
        """The scope that binds it, from here outwards."""
        scope: Scope | None = self
        while scope is not None:
            if (binding := scope.names.get(name)) is not None:
                return scope, binding
            scope = scope.parent
        return None

    def _binding(self, name: str) -> Binding:
        return self.names.setdefault(name, Binding())

    def _add_parameters(self, given: ast.arguments) -> None:
        several = [each for each in (given.vararg, given.kwarg) if each is not None]
        for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *several):
            self._binding(each.arg).is_opaque = True

    def _add(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    dotted = alias.name if alias.asname else name
                    self._binding(name).imports.append(dotted)
                return
            case ast.ImportFrom():
                base = self._base(node)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.insert(0, base)
                    else:
                        self._binding(alias.asname or alias.name).imports.append(
                            f"{base}.{alias.name}" if base else alias.name
                        )
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._binding(node.name).definitions.append(node)
                return
            case ast.Lambda():
                return
            case ast.Global() | ast.Nonlocal():
                self.outer.update(node.names)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._binding(name).values.append(value)
            case ast.AnnAssign(target=ast.Name(id=name)):
                if node.value is not None:
                    self._binding(name).values.append(node.value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._binding(name).values.append(value)
            case ast.withitem(optional_vars=ast.Name(id=name), context_expr=value):
                self._binding(name).values.append(value)
            case ast.For(target=ast.Name(id=name)) | ast.AsyncFor(target=ast.Name(id=name)):
                self._binding(name).is_opaque = True
            case ast.ExceptHandler(name=str(name)):
                self._binding(name).is_opaque = True
            case ast.Name(id=name, ctx=ast.Store()) if name not in self.names:
                self._binding(name).is_opaque = True
        for child in ast.iter_child_nodes(node):
            self._add(child)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".") if self.package else []
        kept = parts[: len(parts) - (node.level - 1)]
        return ".".join([*kept, *([node.module] if node.module else [])])


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a body without those of functions and classes in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, FunctionNode | ast.ClassDef | ast.Lambda):
            yield from own_nodes(child)
