"""The modules of a project as source: loaded when asked for, and what their names lead to."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from durable.checking.scopes import BUILTINS, Definition, FunctionNode, Scope, own_nodes
from durable.errors import InvalidRequestError

_FOREIGN = frozenset({"durable", "azure", "durabletask"})
"""Never the project's own, also where they lie beside it."""
_DEPTH = 8
_CONTAINERS = frozenset(
    f"{module}.{name}"
    for module, names in (
        ("builtins", "list dict set"),
        ("collections", "defaultdict deque Counter OrderedDict"),
    )
    for name in names.split()
)
_CHANGES = frozenset(
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "add",
        "discard",
        "update",
        "setdefault",
        "popitem",
        "appendleft",
        "extendleft",
        "popleft",
    ]
)


class Module:
    """One file."""

    def __init__(self, name: str, path: Path, shown: str) -> None:
        """Raises InvalidRequestError for what is no Python."""
        try:
            text = path.read_text(encoding="utf-8")
            self.tree = ast.parse(text, filename=str(path))
        except (OSError, SyntaxError, ValueError) as error:
            raise InvalidRequestError(f"{shown} cannot be read: {error}") from error
        self.name = name
        self.path = path
        self.shown = shown
        self.lines = text.splitlines()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.scope = Scope(self.tree, None, package)

    @cached_property
    def functions(self) -> list[Function]:
        """All of them, those in classes and in other functions too."""
        return list(self._functions(self.tree, self.scope, ""))

    def _functions(self, node: ast.AST, scope: Scope, prefix: str) -> Iterator[Function]:
        within = node if isinstance(node, ast.ClassDef) else None
        for child in _statements(node):
            if isinstance(child, FunctionNode):
                function = Function(self, child, f"{prefix}{child.name}", scope, within)
                yield function
                yield from self._functions(child, function.inner, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from self._functions(child, scope, f"{prefix}{child.name}.")
            else:
                yield from self._functions(child, scope, prefix)

    @cached_property
    def by_node(self) -> dict[ast.AST, Function]:
        """The functions by their nodes."""
        return {function.node: function for function in self.functions}

    @cached_property
    def changing(self) -> frozenset[str]:
        """Variables of the module that change while it is at work: those that a function declares
        `global`, and containers that a decorated function changes. Other functions may be there
        to fill them while the module is imported."""
        found: set[str] = set()
        for function in self.functions:
            for node in own_nodes(function.node):
                name = _changed(node)
                if name is None:
                    continue
                if name in function.inner.outer or (
                    function.node.decorator_list and self.container(node, function.inner)
                ):
                    found.add(name)
        return frozenset(name for name in found if name in self.scope.names)

    def container(self, node: ast.AST, scope: Scope) -> ast.Name | None:
        """The variable of the module, a container, that a statement or call changes."""
        match node:
            case ast.Subscript(value=ast.Name() as name, ctx=ast.Store() | ast.Del()):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name() as name, attr=method)):
                if method not in _CHANGES:
                    return None
            case _:
                return None
        bound = scope.find(name.id)
        if bound is None or bound[0] is not self.scope:
            return None
        return name if any(_is_container(v, self.scope) for v in bound[1].values) else None


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the project; `scope` is where it is defined."""

    module: Module
    node: FunctionNode
    name: str
    scope: Scope
    within: ast.ClassDef | None
    """The class that it is a method of."""

    @property
    def instance(self) -> str:
        """What a method calls the instance, or the class, that it is called of."""
        arguments = [*self.node.args.posonlyargs, *self.node.args.args]
        is_static = any(ast.unparse(each) == "staticmethod" for each in self.node.decorator_list)
        return arguments[0].arg if self.within and arguments and not is_static else ""

    @property
    def is_property(self) -> bool:
        """Whether reading it as an attribute runs it."""
        names = (ast.unparse(each).rpartition(".")[2] for each in self.node.decorator_list)
        return any(name in ("property", "cached_property") for name in names)

    @cached_property
    def inner(self) -> Scope:
        """Its own names."""
        return Scope(self.node, self.scope, self.scope.package)


@dataclass(frozen=True)
class Class:
    """A class of the project, or an instance of one."""

    module: Module
    node: ast.ClassDef
    scope: Scope


Target = str | Function | Class | None
"""What an expression stands for: a dotted name from outside of the project, something in it, or
None where reading does not tell."""


class Project:
    """Modules below some folders."""

    def __init__(self, roots: Iterable[Path], base: Path) -> None:
        """`base` is the folder that shown paths are relative to."""
        self._roots = list(dict.fromkeys(roots))
        self._base = base
        self._modules: dict[Path, Module] = {}
        self._known: dict[str, Module | None] = {}
        self._by_scope: dict[int, Module] = {}

    def add(self, path: Path) -> Module:
        """The module in a file. Raises InvalidRequestError where it cannot be read."""
        if (module := self._modules.get(path)) is None:
            root = root_of(path)
            parts = list(path.relative_to(root).with_suffix("").parts)
            if parts[-1] == "__init__" and len(parts) > 1:
                parts.pop()
            if root not in self._roots:
                self._roots.append(root)
            shown = path.relative_to(self._base) if path.is_relative_to(self._base) else path
            module = self._modules[path] = Module(".".join(parts), path, str(shown))
            self._known.setdefault(module.name, module)
            self._by_scope[id(module.scope)] = module
        return module

    def module(self, name: str) -> Module | None:
        """The project's module of that name, if it has one."""
        if name not in self._known:
            self._known[name] = self._found(name)
        return self._known[name]

    def imported(self, module: Module) -> Iterator[Module]:
        """The modules of the project that a module imports, wherever in it."""
        scopes = [module.scope, *(function.inner for function in module.functions)]
        for scope in scopes:
            named = [dotted for binding in scope.names.values() for dotted in binding.imports]
            for dotted in (*named, *scope.stars):
                parts = dotted.split(".")
                for end in range(1, len(parts) + 1):
                    if (found := self.module(".".join(parts[:end]))) is not None:
                        yield found

    def _found(self, name: str) -> Module | None:
        if not name or name.partition(".")[0] in _FOREIGN:
            return None
        parts = name.split(".")
        for root in self._roots:
            for path in (
                root.joinpath(*parts).with_suffix(".py"),
                root.joinpath(*parts, "__init__.py"),
            ):
                if path.is_file():
                    return self.add(path)
        return None

    # ---- what expressions stand for ----

    def target(self, node: ast.expr, scope: Scope, module: Module, depth: int = 0) -> Target:
        """What an expression stands for."""
        if depth > _DEPTH:
            return None
        match node:
            case ast.Name(id=name):
                return self._named(name, scope, module, depth)
            case ast.Attribute(value=value, attr=attribute):
                base = self.target(value, scope, module, depth + 1)
                return self.member(base, attribute, depth + 1)
            case ast.Call(func=function):
                made = self.target(function, scope, module, depth + 1)
                if isinstance(made, Class):
                    return made
                # an instance has its class's members
                is_class = isinstance(made, str) and made.rpartition(".")[2][:1].isupper()
                return made if is_class else None
        return None

    def member(self, base: Target, name: str, depth: int = 0) -> Target:
        """An attribute of what an expression stands for."""
        if isinstance(base, str):
            return self._dotted(f"{base}.{name}", depth)
        if isinstance(base, Class) and depth <= _DEPTH:
            for node in base.node.body:
                if isinstance(node, FunctionNode) and node.name == name:
                    return base.module.by_node.get(node)
            for each in base.node.bases:
                above = self.target(each, base.scope, base.module, depth + 1)
                if (found := self.member(above, name, depth + 1)) is not None:
                    return found
        return None

    def variable(self, node: ast.Name | ast.Attribute, scope: Scope) -> tuple[Module, str] | None:
        """The module and name of a module's variable that the expression is, imported or not."""
        if isinstance(node, ast.Name):
            found = scope.find(node.id)
            if found is None:
                starred = self._starred(node.id, scope)
                return None if not isinstance(starred, Module) else (starred, node.id)
            owner, binding = found
            if isinstance(owner.node, ast.Module) and not binding.imports:
                return self._by_scope[id(owner)], node.id
            dotted = binding.imports[0] if len(binding.imports) == 1 else ""
        else:
            base = node.value
            found = scope.find(base.id) if isinstance(base, ast.Name) else None
            imports = found[1].imports if found is not None else []
            dotted = f"{imports[0]}.{node.attr}" if len(imports) == 1 else ""
        owner_name, _, name = dotted.rpartition(".")
        module = self.module(owner_name)
        return (module, name) if module is not None and name in module.scope.names else None

    def _named(self, name: str, scope: Scope, module: Module, depth: int) -> Target:
        found = scope.find(name)
        if found is None:
            starred = self._starred(name, scope)
            if isinstance(starred, Module):
                return self._named(name, starred.scope, starred, depth + 1)
            return f"builtins.{name}" if name in BUILTINS else starred
        owner, binding = found
        if binding.imports:
            # the first of several: those of a try come before what replaces them
            return self._dotted(binding.imports[0], depth + 1)
        if binding.is_opaque:
            method = module.by_node.get(owner.node)
            if method is None or method.within is None or method.instance != name:
                return None
            return Class(module, method.within, method.scope)
        if len(binding.definitions) == 1 and not binding.values:
            return _defined(binding.definitions[0], owner, module)
        if len(binding.values) == 1 and not binding.definitions:
            return self.target(binding.values[0], owner, module, depth + 1)
        return None

    def _starred(self, name: str, scope: Scope, depth: int = 0) -> Module | str | None:
        """The module of the project that `from … import *` brings a name from; else its dotted
        name, where it can come from one module alone."""
        outside: list[str] = []
        while scope.parent is not None:
            scope = scope.parent
        for star in scope.stars if depth <= _DEPTH and name[:1] != "_" else ():
            module = self.module(star)
            if module is None:
                outside.append(f"{star}.{name}")
            elif name in module.scope.names:
                return module
            elif isinstance(found := self._starred(name, module.scope, depth + 1), Module):
                return found
            elif found is not None:
                outside.append(found)
        return outside[0] if len(outside) == 1 else None

    def _dotted(self, name: str, depth: int) -> Target:
        """A dotted name, followed into the project as far as it leads there."""
        if depth > _DEPTH:
            return None
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            module = self.module(".".join(parts[:end]))
            if module is None:
                continue
            if end == len(parts):
                return name
            owner: Module | str | None = module
            if parts[end] not in module.scope.names:
                owner = self._starred(parts[end], module.scope)
            target: Target = owner if not isinstance(owner, Module) else None
            if isinstance(owner, Module):
                target = self._named(parts[end], owner.scope, owner, depth + 1)
            for attribute in parts[end + 1 :]:
                target = self.member(target, attribute, depth + 1)
            return target
        return name


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What a statement is made of, apart from expressions: they define no functions."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        found = getattr(node, name, ())
        yield from found if isinstance(found, list) else ()


def root_of(path: Path) -> Path:
    """The folder that a file's module name begins at."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _defined(node: Definition, scope: Scope, module: Module) -> Target:
    if isinstance(node, ast.ClassDef):
        return Class(module, node, scope)
    return module.by_node.get(node)


def _changed(node: ast.AST) -> str | None:
    """The variable that a statement or call may change."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name
        case ast.Subscript(value=ast.Name(id=name)):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name
    return None


def _is_container(node: ast.expr, scope: Scope) -> bool:
    match node:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            found = scope.find(name)
            dotted = f"builtins.{name}" if found is None else "".join(found[1].imports[:1])
            return dotted in _CONTAINERS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="collections"), attr=name)):
            return f"collections.{name}" in _CONTAINERS
    return False
