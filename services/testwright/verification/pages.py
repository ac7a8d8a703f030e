"""The only place that turns a report into pages for people: Markdown, and HTML in one file without scripts. Pure.

What stands in a report was chosen by engines, projects and tests: all of it is escaped.
"""

import functools
import html as escaping
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import jinja2

from testwright.verification.report import MutantRecord, Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the target: ``state`` is ``run``, ``missed``, or empty where there is nothing to run."""

    number: int
    text: str
    state: str
    mutants: tuple[MutantRecord, ...]


def html(report: Report) -> str:
    """Return a report as an HTML page that needs nothing else."""
    return _render("report.html.j2", report, autoescape=True)


def markdown(report: Report) -> str:
    """Return a report as Markdown."""
    return _render("report.md.j2", report, autoescape=False)


def lines(report: Report) -> Iterator[Line]:
    """Yield the lines of the target with what is known of each."""
    executed, missing = set(report.executed_lines), set(report.missing_lines)
    mutants: dict[int, list[MutantRecord]] = {}
    for mutant in report.mutants:
        mutants.setdefault(mutant.line, []).append(mutant)
    # As coverage.py counts them: a form feed or another separator ends no line.
    for number, text in enumerate(re.split(r"\r\n|\r|\n", report.source.rstrip("\r\n")), start=1):
        state = "run" if number in executed else "missed" if number in missing else ""
        yield Line(number, text, state, tuple(mutants.get(number, ())))


def _render(name: str, report: Report, *, autoescape: bool) -> str:
    counts = Counter(verdict.verdict for verdict in report.verdicts)
    source = list(lines(report)) if report.source else []
    return _environment(autoescape=autoescape).get_template(name).render(report=report, counts=counts, source=source)


@functools.cache
def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("testwright.verification", "templates"),
        autoescape=autoescape,  # noqa: S701  in Markdown every value goes through a filter of ours
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": _md, "fenced": _fenced, "percent": _percent}
    return environment


def _md(value: object) -> str:
    """Return a value as one line of Markdown text that is nothing but text."""
    return _SPECIAL.sub(r"\\\1", escaping.escape(" ".join(str(value).split()), quote=False))


def _fenced(text: str, language: str = "") -> str:
    """Return a text as a block of code that ends where the text does, whatever is in it."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1f} %"
