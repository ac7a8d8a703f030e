"""Rows of figures: printed as a table, written as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        name: what it is.
        value: how much.
        unit: of the value.
        ratio: against the row that is named in ``against`` of the same run.
        against: see there.
        most: the goal is this much or less, of the ratio if there is one, else of the value.
        least: the goal is this much or more.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; ``None`` where there is none."""
        if self.most is None and self.least is None:
            return None
        figure = self.value if self.ratio is None else self.ratio
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)

    @property
    def goal(self) -> str:
        """What is wanted and whether it is so; empty where there is no goal."""
        wanted = [f"{sign} {bound:.3g}" for sign, bound in (("<=", self.most), (">=", self.least)) if bound is not None]
        return f"{' '.join(wanted)}: {'met' if self.met else 'MISSED'}" if wanted else ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile, 0 to 100, of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share) - 1]


def show(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Print rows, each with its goal, and notes on them; write all below ``benchmarks/results``."""
    print(f"\n{title}")
    for row in rows:
        ratio = f"{row.ratio:8.2f} x {row.against}" if row.ratio is not None else ""
        print(f"  {row.name:<52} {row.value:>12.3f} {row.unit:<12} {ratio:<30} {row.goal}".rstrip())
    for note in notes:
        print(f"  {note}")
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    body = {
        "title": title,
        "machine": machine,
        "rows": [asdict(row) | {"met": row.met} for row in rows],
        "notes": list(notes),
    }
    (RESULTS / f"{title.split(':', maxsplit=1)[0]}.json").write_text(json.dumps(body, indent=2) + "\n")
