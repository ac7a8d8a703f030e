"""Writes what was measured last into the page of the documentation about it, between two marks.

What the page has of other benchmarks stays.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.table import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"
HEADING = "### `"


def table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one benchmark."""
    name, _, about = result["title"].partition(": ")
    machine = result["machine"]
    yield f"{HEADING}{name}`: {about}"
    yield ""
    yield f"Python {machine['python']}, {machine['cpus']} cores, load {machine['load']:.1f} at the end."
    yield ""
    yield "| | measured | ratio | goal |"
    yield "|---|---:|---:|---|"
    for row in result["rows"]:
        ratio = f"{row['ratio']:.2f} x {row['against']}" if row["ratio"] is not None else ""
        yield f"| {row['name']} | {_short(row['value'])} {row['unit']} | {ratio} | {_goal(row)} |"
    yield ""
    for note in result["notes"]:
        yield f"- {note}"
    yield ""


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _goal(row: dict[str, Any]) -> str:
    bounds = (("≤", row["most"]), ("≥", row["least"]))
    wanted = " ".join(f"{sign} {_short(bound)}" for sign, bound in bounds if bound is not None)
    return f"{wanted}: {'met' if row['met'] else '**missed**'}" if wanted else ""


async def main(names: Sequence[str]) -> None:
    """Put the results of these benchmarks, or of all that have any, in place of what the page says now."""
    found = sorted(RESULTS.glob("*.json"))
    results = [json.loads(path.read_text()) for path in found if not names or path.stem in names]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    told, _, after = rest.partition(END)
    sections = dict(_sections(told)) | dict(_sections("\n".join(line for each in results for line in table(each))))
    lines = [line for _, section in sorted(sections.items()) for line in (section.strip(), "")]
    PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *lines, f"{END}{after}"]))
    print(f"{len(results)} benchmarks in {PAGE.name}: {', '.join(result['title'] for result in results)}")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each benchmark."""
    for section in text.split(HEADING)[1:]:
        yield section.partition("`")[0], HEADING + section
