"""What another round is told of the ones before, out of a verification report: bounded, to fit a message. Pure."""

from collections.abc import Iterator

from msgspec.structs import replace

from testwright.verification.report import Report
from testwright_schemas import Brief, CaseVerdict, Survivor

MOST_LINES = 1000
"""Lines, and branches, that are named: who has missed more than that has not begun."""

MOST_SURVIVORS = 50
MOST_REJECTED = 30

MOST_TEXT = 200
"""Characters of an id or of a line of the source."""

MOST_OUTPUT = 1500
"""Characters of what is said of a rejected test: the end of it, where pytest says what was wrong."""


def brief(report: Report) -> Brief:
    """Return what the next round should mend; the accepted files are added by whoever stores them."""
    return Brief(
        line=report.coverage.line if report.coverage else None,
        missing_lines=report.missing_lines[:MOST_LINES],
        missing_branches=report.missing_branches[:MOST_LINES],
        survivors=tuple(map(_short, report.survivors[:MOST_SURVIVORS])),
        rejected=tuple(_rejected(report))[:MOST_REJECTED],
    )


def _short(survivor: Survivor) -> Survivor:
    return replace(survivor, operator=survivor.operator[:MOST_TEXT], text=survivor.text[:MOST_TEXT])


def _rejected(report: Report) -> Iterator[CaseVerdict]:
    """Yield what can be learned from first: a redundant test is not wrong."""
    dropped = (case for case in report.verdicts if case.verdict != "kept")
    for case in sorted(dropped, key=lambda case: case.verdict == "redundant"):
        told = "\n".join(part for part in (case.reason, report.outputs.get(case.id, "")) if part)
        yield replace(case, id=case.id[:MOST_TEXT], reason=told[-MOST_OUTPUT:])
