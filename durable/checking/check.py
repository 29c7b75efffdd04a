"""The linter: see `check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durable.checking.discovery import Roles, roles_in
from durable.checking.findings import Finding
from durable.checking.project import Function, Module, Project
from durable.checking.visitor import Visitor
from durable.errors import InvalidRequestError

_SKIPPED = frozenset(
    {"node_modules", "venv", "env", "site-packages", "__pycache__", "build", "dist"}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, by file and line, in so many orchestrators of so many files."""

    findings: tuple[Finding, ...]
    orchestrators: int
    files: int

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "findings": [each.to_dict() for each in self.findings],
            "orchestrators": self.orchestrators,
            "files": self.files,
        }


def check(targets: Sequence[str | Path] = (), folder: Path | str = ".") -> Checked:
    """Read orchestrators, and report what replay cannot repeat in them and in what they call.

    A target is a folder (all files below it), a file (with what it imports of the project), or an
    app as `module:name`, looked for in `folder`; none means `folder`. Raises InvalidRequestError
    for what is not there, and for files that are no Python.
    """
    base = Path(folder).resolve()
    project = Project([base], base)
    modules = _modules(project, targets or [base], base)
    roles = {module: roles_in(module, project) for module in modules}
    return _checked(project, roles)


def _checked(project: Project, roles: dict[Module, Roles]) -> Checked:
    found: dict[tuple[str, int, str, str], Finding] = {}

    def report(finding: Finding) -> None:
        key = finding.path, finding.line, finding.code, finding.message
        found.setdefault(key, finding)

    others = {each for role in roles.values() for each in role.others}
    visitor = Visitor(project, others, report)
    orchestrators = _distinct(each for role in roles.values() for each in role.orchestrators)
    for function in orchestrators:
        visitor.check(function)
    for function in _distinct(each for role in roles.values() for each in role.annotated):
        if function not in visitor.seen:
            visitor.check(function)
    ordered = sorted(found.values(), key=lambda each: (each.path, each.line, each.column))
    return Checked(tuple(ordered), len(orchestrators), len(roles))


def _distinct(functions: Iterable[Function]) -> list[Function]:
    return list(dict.fromkeys(functions))


def _modules(project: Project, targets: Iterable[str | Path], base: Path) -> list[Module]:
    found: dict[Module, None] = {}
    for target in targets:
        path = _path(project, target, base)
        if isinstance(path, Module) or path.is_file():
            module = path if isinstance(path, Module) else project.add(path)
            found.update(dict.fromkeys(_reachable(project, module)))
        elif path.is_dir():
            found.update(dict.fromkeys(project.add(file) for file in _files(path)))
        else:
            raise InvalidRequestError(f"there is no {target}")
    return list(found)


def _path(project: Project, target: str | Path, base: Path) -> Path | Module:
    path = (base / target).resolve()
    if isinstance(target, str) and not path.exists():
        name = target.partition(":")[0]
        if all(part.isidentifier() for part in name.split(".")):
            module = project.module(name)
            if module is not None:
                return module
    return path


def _reachable(project: Project, module: Module) -> list[Module]:
    """A module and what it imports of the project, directly or not."""
    found, waiting = {module: None}, [module]
    while waiting:
        for each in project.imported(waiting.pop()):
            if each not in found:
                found[each] = None
                waiting.append(each)
    return list(found)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".")
        if path.is_dir() and not hidden and path.name not in _SKIPPED:
            yield from _files(path)
        elif path.suffix == ".py" and path.is_file() and not hidden:
            yield path
