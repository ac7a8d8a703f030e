"""The only place that hears from pytest: which tests it found, and how each ended.

A test counts as passed only by its own report, so that a run that ends early, whatever its exit code, claims nothing
for the tests it did not come to.
"""

import faulthandler
import inspect
import json
import os
import random
import warnings
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TextIO

import _pytest.runner
import pytest

from .channel import Say, one_line, write_line
from .forks import finished, fork
from .plan import Plan
from .watch import Watch

CHUNK = 200
"""Ids in one line: the host drops lines of more than 64 kB."""

DETAIL = 4000
"""Characters of what pytest says of a failure that are kept, from its end."""

_WORST = ("failed", "xfailed", "xpassed", "skipped", "passed")


@dataclass(frozen=True)
class End:
    """How a test, or a phase of it, ended; see ``testwright.verification.events.Finished``."""

    outcome: str
    kind: str = ""
    reason: str = ""
    detail: str = ""
    touched: list[str] = field(default_factory=list[str])


def case_of(nodeid: str) -> str:
    """Return the id of a test without its parameters."""
    return nodeid.split("[", 1)[0]


class Recorder:
    """A pytest plugin that selects tests, runs them the way the plan says and reports each.

    Args:
        plan: what to do.
        say: where to report.
        context: called with a test's id before it runs, and with the empty string before collection.
        apart: whether each test runs in a fork.
        direct: whether tests that take nothing from pytest may be called without it, which is many times as fast.
    """

    def __init__(
        self, plan: Plan, say: Say, context: Callable[[str], object], *, apart: bool, direct: bool = False
    ) -> None:
        self._plan = plan
        self._say = say
        self._context = context
        self._apart = apart
        self._direct = direct
        self._ends: list[End] = []
        self._stderr: TextIO = os.fdopen(os.dup(2), "w")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Say which file is imported next: if that ends the process, it is to blame."""
        if isinstance(collector, pytest.File):
            self._say("collecting", file=collector.nodeid)
            self._watch(self._plan.collect_limit_s)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Say why a file has no tests."""
        if report.failed:
            text = report.longreprtext
            errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
            self._say("uncollected", file=report.nodeid, reason=one_line("\n".join(errors) or text))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the planned tests, in the planned order; say what there is."""
        ids = sorted({case_of(item.nodeid) for item in items})
        for start in range(0, len(ids), CHUNK):
            self._say("collected", cases=ids[start : start + CHUNK])
        if self._plan.cases is not None:
            place = {case: index for index, case in enumerate(self._plan.cases)}
            items[:] = [item for item in items if case_of(item.nodeid) in place]
            items.sort(key=lambda item: place[case_of(item.nodeid)])
        if self._plan.shuffle is not None:
            random.Random(self._plan.shuffle).shuffle(items)  # noqa: S311  an order, not a secret
        self._watch(None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run one test and report it."""
        case = case_of(item.nodeid)
        self._say("started", case=case)
        if self._apart:
            end = self._run_apart(item)
        elif self._direct and is_plain(item):
            end = _called(item)
        else:
            self._context(case)
            self._watch(self._plan.case_limit_s)
            end = self._run(item, nextitem)
            self._watch(None)
        self._say("finished", case=case, **asdict(end))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how a phase of a test ended, and what kind of failure it was."""
        del item
        report = yield
        self._ends.append(End(_outcome(report), _kind(call, self._plan.path), _reason(report), _detail(report)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note failures that come as reports of their own: those of subtests."""
        if report.failed:
            self._ends.append(End("failed", "assertion", _reason(report), _detail(report)))

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None) -> End:
        self._ends = []
        _pytest.runner.runtestprotocol(item, log=True, nextitem=nextitem)
        nothing = End("failed", reason="it was not run")
        return min(self._ends, key=lambda end: _WORST.index(end.outcome), default=nothing)

    def _run_apart(self, item: pytest.Item) -> End:
        def work(fd: int) -> None:
            watch = Watch()
            watch.install()
            watch.begin()
            end = self._run(item, None)
            write_line(fd, json.dumps(asdict(replace(end, touched=watch.end()))))

        child = fork(work, self._plan.case_limit_s)
        finished([child], lambda each: b"\n" in each.heard)
        code = child.end()
        if lines := child.lines():
            return _end_in(lines[0])
        if child.hung:
            return End("hung", reason=f"not done after {self._plan.case_limit_s:g} s")
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return End("died", reason=f"ended the process ({how})")

    def _watch(self, limit_s: float | None) -> None:
        """Have it said what hangs after so many seconds, ``None`` for no more; ending it is the parent's part."""
        faulthandler.cancel_dump_traceback_later()
        if limit_s is not None:
            faulthandler.dump_traceback_later(limit_s, file=self._stderr)


def is_plain(item: pytest.Item) -> bool:
    """Return whether a test is a function that pytest would only call: without fixtures, marks or a class."""
    if type(item) is not pytest.Function or item.cls is not None:
        return False
    takes_nothing = not item.fixturenames and not any(item.iter_markers())
    return takes_nothing and not inspect.iscoroutinefunction(item.obj) and not inspect.isgeneratorfunction(item.obj)


def _called(item: pytest.Item) -> End:
    """Call a plain test; end the session as pytest would at the failure that is one too many."""
    capture: Any = item.config.pluginmanager.getplugin("capturemanager")
    try:
        with warnings.catch_warnings(record=True), capture.item_capture("call", item):
            item.runtest()
    except BaseException as error:  # noqa: BLE001  a test may raise anything
        if item.config.option.maxfail:
            item.session.shouldfail = "a test has failed"
        outcome = "skipped" if isinstance(error, pytest.skip.Exception) else "failed"
        return End(outcome, reason=one_line(f"{type(error).__name__}: {error}"))
    return End("passed")


def _end_in(line: bytes) -> End:
    """Read what a test's own process says of it; that may be anything."""
    try:
        end = End(**json.loads(line))
        texts = [end.outcome, end.kind, end.reason, end.detail, *end.touched]
        if {type(text) for text in texts} == {str}:
            return end
    except (ValueError, TypeError, RecursionError):
        pass
    return End("died", reason="what its process reports cannot be read")


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome


def _kind(call: pytest.CallInfo[Any], path: str) -> str:
    """Return ``assertion`` for a test's own failed assertion, ``crash`` for an error out of the target."""
    if call.excinfo is None:
        return ""
    if any(str(entry.path) == path for entry in call.excinfo.traceback):
        return "crash"
    ours = isinstance(call.excinfo.value, (AssertionError, pytest.fail.Exception))
    return "assertion" if ours and call.when == "call" else "error"


def _reason(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return one_line(str(report.longrepr[2]))
    crash = getattr(report.longrepr, "reprcrash", None)
    return one_line(str(getattr(crash, "message", None) or report.longreprtext))


def _detail(report: pytest.TestReport) -> str:
    return "" if report.passed else report.longreprtext[-DETAIL:]
