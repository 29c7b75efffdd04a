"""Lists the public names of a package from its files: `python tools/public_names.py ROOT PACKAGE…`.

A line a module, and an indented line each name: `name(parameters)`; members of a class are
`Class.member`. Parameters are names, `=` after those that may be left out; a property, a constant
or a field has none, and what a package names in `__all__` has `^` instead. Nothing is
imported: the package may be one that this Python cannot run. Its output for the packages that
`durable.compat` stands for is `tests/compat/names.txt`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PRIVATE = ("durabletask.internal.", "azure.durable_functions.openai_agents.")
NOT_SO = "durabletask.internal.grpc_interceptor"
NO_NAMES = ("TypeVar", "logging.getLogger", "ParamSpec")


def modules(root: Path, package: str) -> Iterator[tuple[str, Path]]:
    """The public modules of a package below a folder, and their files."""
    for path in sorted((root / package.replace(".", "/")).rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        inner = module.removeprefix(package).split(".")
        if module.startswith(PRIVATE) and module != NOT_SO:
            continue
        if not any(part.startswith("_") or part.endswith(("_pb2", "_grpc")) for part in inner):
            yield module, path


def names_of(path: Path) -> Iterator[str]:
    """What a module defines, and what its package's `__init__` takes over."""
    tree = ast.parse(path.read_text())
    for name in exported(tree) if path.name == "__init__.py" else ():
        yield f"{name} ^"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(node.name):
            yield f"{node.name}({parameters(node.args)})"
        elif isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from class_names(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from constants(node)


def exported(tree: ast.Module) -> list[str]:
    """What a package names in `__all__`, else what it takes over from its modules."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if is_public(name)]
    return [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
        if is_public(alias.asname or alias.name)
    ]


def class_names(node: ast.ClassDef) -> Iterator[str]:
    """A class with its constructor's parameters, and its public members."""
    members: dict[str, str] = {}
    fields: list[str] = []
    constructor: str | None = None
    decorated = " ".join(ast.unparse(each) for each in node.decorator_list)
    # a derived one has the fields of its base before its own
    is_dataclass = "dataclass" in decorated and not any(
        isinstance(base, ast.Name) for base in node.bases
    )
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(each) for each in item.decorator_list}
            if item.name == "__init__":
                constructor = parameters(item.args, bound=True)
            elif is_public(item.name) and "overload" not in decorators:
                shown = f"({parameters(item.args, bound='staticmethod' not in decorators)})"
                is_value = any(each.endswith(("property", ".setter")) for each in decorators)
                members[item.name] = "" if is_value else shown
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            if is_public(item.target.id):
                members[item.target.id] = ""
                fields.append(item.target.id + ("" if item.value is None else "="))
        elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            members |= {item.targets[0].id: ""} if is_public(item.targets[0].id) else {}
    if constructor is None and is_dataclass:
        constructor = ", ".join(["*"] * ("kw_only=True" in decorated) + fields)
    yield node.name if constructor is None else f"{node.name}({constructor})"
    yield from (f"{node.name}.{name}{shown}" for name, shown in members.items())


def constants(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    """The names that an assignment binds, but for type variables and loggers."""
    value = "" if node.value is None else ast.unparse(node.value)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Name) and is_public(target.id) and not value.startswith(NO_NAMES):
            yield target.id


def parameters(given: ast.arguments, *, bound: bool = False) -> str:
    """The names, without `self`."""
    positional = [*given.posonlyargs, *given.args]
    required = len(positional) - len(given.defaults)
    shown = [each.arg + ("=" if at >= required else "") for at, each in enumerate(positional)]
    shown = shown[1:] if bound else shown
    if given.vararg or given.kwonlyargs:
        shown.append(f"*{given.vararg.arg if given.vararg else ''}")
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        shown.append(each.arg + ("" if default is None else "="))
    return ", ".join([*shown, f"**{given.kwarg.arg}"] if given.kwarg else shown)


def is_public(name: str) -> bool:
    """Whether it is for users, by its name."""
    return not name.startswith("_")


def main() -> None:
    root, *packages = sys.argv[1:]
    for package in packages:
        for module, path in modules(Path(root), package):
            names = list(dict.fromkeys(names_of(path)))
            if names:
                print(module, *names, sep="\n  ")


if __name__ == "__main__":
    main()
