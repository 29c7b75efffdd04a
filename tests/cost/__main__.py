"""`python -m tests.cost`: count again, and write the tables of docs/cost.md."""

from __future__ import annotations

import asyncio

from tests.cost.page import counted, write

if __name__ == "__main__":
    table = asyncio.run(counted())
    write(table)
    print(table)
