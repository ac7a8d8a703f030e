"""The only place that speaks to coverage.py: what one process ran of the target, and what several did together."""

import json
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import coverage

from .channel import Say

LINES = 2000
"""Line numbers in one report line."""

Arc = tuple[int, int]


class Meter:
    """Measures the target in this process.

    Args:
        path: its file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._coverage = _coverage(path)

    def begin(self, case: str) -> None:
        """Count what runs from here on as this test's; before the first it is nobody's."""
        self._coverage.switch_context(case)

    @contextmanager
    def running(self) -> Generator[None]:
        """Measure while the body runs."""
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()

    def tell(self, say: Say) -> None:
        """Say which lines and arcs ran in each test."""
        data = self._coverage.get_data()
        for context in sorted(data.measured_contexts()):
            data.set_query_context(context)
            lines, arcs = sorted(data.lines(self._path) or []), sorted(data.arcs(self._path) or [])
            for start in range(0, max(len(lines), len(arcs)), LINES):
                end = start + LINES
                say("covered", case=context, lines=lines[start:end], arcs=arcs[start:end])


class Union:
    """What processes say that they ran of the target; counting it is left to none of them.

    Args:
        path: its file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._arcs: set[Arc] = set()

    def add(self, arcs: Any) -> bool:
        """Take arcs; return whether that is what they are."""
        if not _are_arcs(arcs):
            return False
        self._arcs.update((start, end) for start, end in arcs)
        return True

    def tell(self, say: Say) -> None:
        """Say how much of the target that is."""
        counted = _coverage(self._path)
        counted.get_data().add_arcs({self._path: self._arcs})
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "coverage.json")
            counted.json_report(morfs=[self._path], outfile=str(out))
            (measured,) = json.loads(out.read_text())["files"].values()
        summary = measured["summary"]
        say(
            "measured",
            statements=summary["num_statements"],
            covered_statements=summary["covered_lines"],
            branches=summary["num_branches"],
            covered_branches=summary["covered_branches"],
            missing_lines=measured["missing_lines"][:LINES],
            executed_lines=measured["executed_lines"][:LINES],
            missing_branches=measured["missing_branches"][:LINES],
        )


def _coverage(path: str) -> coverage.Coverage:
    # No configuration file: that of the project could leave out the very lines that count.
    return coverage.Coverage(data_file=None, branch=True, config_file=False, include=[path], messages=False)


def _are_arcs(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_arc, cast("Iterable[Any]", value)))


def _is_arc(value: Any) -> bool:
    # A boolean is an integer to Python, and none to whoever reads the report.
    return isinstance(value, list) and [type(end) for end in cast("Iterable[Any]", value)] == [int, int]
