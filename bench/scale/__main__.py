"""`python -m bench.scale`: the arithmetic and the simulation; see docs/scale.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.scale.plot import draw
from bench.scale.report import sections, write
from bench.scale.scenarios import SCENARIOS, SEED, simulate

_DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Run the scenarios and print, or write, what they came to."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, help="instances a scenario, instead of its own")
    parser.add_argument("--only", nargs="*", choices=names, help="these scenarios")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--write", action="store_true", help="put tables and plots into docs")
    options = parser.parse_args()
    if options.write and (options.only or options.count):
        parser.error("--write takes all scenarios, at their own size")
    results, plots = [], {}
    for scenario in SCENARIOS:
        if options.only and scenario.name not in options.only:
            continue
        chosen = scenario.small(options.count) if options.count else scenario
        result = simulate(chosen, options.seed, lambda line: print(line, file=sys.stderr))
        results.append(result.to_json())
        plots[scenario.name] = draw(results[-1], chosen.layout)
    found = sections(results)
    if options.json:
        text = json.dumps({"seed": options.seed, "runs": results}, separators=(",", ":"))
        options.json.write_text(text, encoding="utf-8")
    if options.write:
        write(_DOCS / "scale.md", found)
        (_DOCS / "scale").mkdir(exist_ok=True)
        for name, drawing in plots.items():
            (_DOCS / "scale" / f"{name}.svg").write_text(drawing, encoding="utf-8")
        return
    for name, content in found.items():
        print(f"\n{name}\n\n{content}")


if __name__ == "__main__":
    main()
