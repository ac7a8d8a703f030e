"""The only place that knows what one measured run says: coverage of the target, in total and by each test. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from testwright.verification.events import AnyEvent, Covered, Measured
from testwright_schemas import Coverage

Arc = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Coverage of the target by a run.

    Attributes:
        total: as coverage.py counts it.
        lines: that ran in each test, or for it when its file was imported.
        arcs: that were taken in each test, and not when its file was imported. A test that imports the target itself
            has the merit of that: it may be all that there is to a smoke test.
        import_lines: that ran when the target was imported.
    """

    total: Measured
    lines: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    arcs: dict[str, frozenset[Arc]] = field(default_factory=dict[str, frozenset[Arc]])
    import_lines: list[int] = field(default_factory=list[int])

    @property
    def covered_lines(self) -> tuple[int, ...]:
        """The lines that ran at all, sorted."""
        return tuple(sorted({line for ran in self.lines.values() for line in ran}.union(self.import_lines)))

    @property
    def coverage(self) -> Coverage:
        """The totals, in percent."""
        total = self.total
        return Coverage(
            line=_percent(total.covered_statements, total.statements),
            branch=_percent(total.covered_branches, total.branches) if total.branches else None,
            covered_lines=total.covered_statements,
            total_lines=total.statements,
            covered_branches=total.covered_branches,
            total_branches=total.branches,
        )


def measurement(events: Iterable[AnyEvent]) -> Measurement | None:
    """Return what a run measured, ``None`` if it did not come to that."""
    total: Measured | None = None
    lines: dict[str, list[int]] = {}
    arcs: dict[str, frozenset[Arc]] = {}
    for event in events:
        match event:
            case Measured():
                total = event
            case Covered():
                name = event.case or event.file
                lines[name] = lines.get(name, []) + event.lines
                arcs[name] = arcs.get(name, frozenset()) | frozenset(event.arcs)
            case _:
                pass
    if total is None:
        return None
    cases = [name for name in lines if "::" in name]
    imported, nothing = lines.get("", []), frozenset[Arc]()
    # What a file runs when it is imported may be noticed by each of its tests, and is none's merit.
    theirs = {file: [line for line in lines[file] if line not in imported] for file in lines.keys() - cases}
    return Measurement(
        total,
        {case: sorted({*lines[case], *theirs.get(_file(case), [])}) for case in cases},
        {case: arcs[case] - arcs.get(_file(case), nothing) for case in cases},
        imported,
    )


def _file(case: str) -> str:
    return case.partition("::")[0]


def _percent(part: int, whole: int) -> float:
    # coverage.py, too, calls a module without statements covered.
    return 100.0 * part / whole if whole else 100.0
