"""A line of user code, as errors and reports name it."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """`file` as the code was compiled with, `line` from 1, and the function's qualified name."""

    file: str
    line: int
    function: str = ""

    @property
    def text(self) -> str:
        """The line itself without its indentation; "" where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def described(self) -> str:
        """`file:line, in function: text`, as far as these are known."""
        function = f", in {self.function}" if self.function else ""
        return f"{self}{function}: {self.text}" if self.text else f"{self}{function}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "function": self.function,
            "text": self.text,
        }
