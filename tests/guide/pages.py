"""The Python examples of a page, run where they stand: a traceback names the page and its line."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = ROOT / "docs" / "guide"

_FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_MARK = "__ran__"


@dataclass(frozen=True)
class Block:
    """A fenced example; `line` is that of its first line, from 1."""

    language: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    """All fenced examples of a page, those in lists too."""
    return [
        Block(found[2], textwrap.dedent(found[3]), page.count("\n", 0, found.start(3)) + 1)
        for found in _FENCED.finditer(page)
    ]


class Page:
    """A page's Python examples are one module. Those that await at their top level are what a
    client does, and run one by one; all others are the app, and run when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks = blocks_of(path.read_text())
        self.module = ModuleType(f"guide_{path.stem.replace('-', '_')}")
        self.has_run: set[Block] = set()
        self._statements: set[int] = set()
        self._reached: set[int] = set()
        self._code = {block: self._compiled(block) for block in self.python}

    @property
    def python(self) -> list[Block]:
        return [block for block in self.blocks if block.language == "python"]

    @property
    def names(self) -> dict[str, Any]:
        """What the examples see and define."""
        return self.module.__dict__

    def only(self, language: str, containing: str) -> Block:
        """The one example of that language with that text."""
        (found,) = (b for b in self.blocks if b.language == language and containing in b.text)
        return found

    def load(self, given: Mapping[str, Any]) -> None:
        """Run what defines the app, in the order of the page. `given` is what the page speaks of
        and does not define."""
        sys.modules[self.module.__name__] = self.module
        self.names.update(given, **{_MARK: self._reached.add})
        for block in self.python:
            if not _awaits(self._code[block]):
                self.has_run.add(block)
                exec(self._code[block], self.names)

    def unload(self) -> None:
        """Forget the module."""
        sys.modules.pop(self.module.__name__, None)

    async def run(self, containing: str) -> None:
        """Run the example with that text, which awaits."""
        block = self.only("python", containing)
        assert _awaits(self._code[block]), "it has run with the app"
        self.has_run.add(block)
        await eval(self._code[block], self.names)

    def source(self) -> str:
        """The examples that define the app as one file, which counts as running them: whoever
        serves that file sees to what is in it."""
        app = [block for block in self.python if not _awaits(self._code[block])]
        self.has_run.update(app)
        self._reached.update(self._statements)
        return "\n\n".join(block.text for block in app)

    def missing(self) -> list[str]:
        """The examples, and the branches in them, that have not run."""
        never = {block.line for block in self.python if block not in self.has_run}
        return [
            f"{self.path}:{line}" for line in sorted(never | (self._statements - self._reached))
        ]

    def _compiled(self, block: Block) -> CodeType:
        # as far down as on the page, so that lines are those of the page
        tree = ast.parse("\n" * (block.line - 1) + block.text)
        tree = ast.fix_missing_locations(_Marking(self._statements).visit(tree))
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(tree, str(self.path), "exec", flags, dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _Marking(ast.NodeTransformer):
    """Has each statement of each function say its line first, and notes the line in `lines`."""

    def __init__(self, lines: set[int]) -> None:
        self._lines = lines

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._marked(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._marked(node)

    def _marked(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        function.body = self._of(function.body)
        return function

    def _of(self, body: list[ast.stmt]) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for statement in body:
            self._lines.add(statement.lineno)
            mark = ast.parse(f"{_MARK}({statement.lineno})").body[0]
            for node in ast.walk(mark):
                ast.copy_location(node, statement)
            inner = [statement, *getattr(statement, "handlers", ())]
            for each in inner:
                for name in ("body", "orelse", "finalbody"):
                    if below := getattr(each, name, None):
                        setattr(each, name, self._of(below))
            marked += [mark, statement]
        return marked


def _awaits(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)
