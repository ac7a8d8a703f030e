"""Rows of figures: printed as a table, written as JSON."""

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ``ratio`` is against the row that is named in ``against`` of the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile, 0 to 100, of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share) - 1]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows and write them below ``benchmarks/results``."""
    print(f"\n{title}")
    for row in rows:
        ratio = f"{row.ratio:8.2f} x {row.against}" if row.ratio is not None else ""
        print(f"  {row.name:<52} {row.value:>12.3f} {row.unit:<12} {ratio}")
    RESULTS.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    body = {"title": title, "machine": machine, "rows": [asdict(row) for row in rows]}
    (RESULTS / f"{title.split(':', maxsplit=1)[0]}.json").write_text(json.dumps(body, indent=2) + "\n")
