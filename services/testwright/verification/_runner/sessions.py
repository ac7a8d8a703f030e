"""The only place that starts pytest: with our configuration; no conftest, plugin or setting of the project counts."""

import sys
from collections.abc import Callable, Iterable, Sequence

import _pytest.config
import _pytest.main
import pytest

from .plan import Plan
from .recorder import Recorder

_OPTIONS = (
    "-q",
    "--tb=short",
    "--noconftest",
    "--import-mode=importlib",
    "--continue-on-collection-errors",
    *("-p", "no:cacheprovider", "-p", "no:faulthandler"),
)

_QUICK = (
    "--tb=no",
    # What is captured in memory is each child's own; what is captured in files they would all write to the same.
    "--capture=sys",
    # They cost time in every child and judge nothing; the first collects garbage several times.
    *("-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:junitxml"),
)


def run(plan: Plan, recorder: Recorder) -> None:
    """Run pytest in this process; what it prints about it goes to our standard error or nowhere."""
    try:
        pytest.main([*_arguments(plan), *_files(plan)], plugins=[recorder])
    except SystemExit as error:
        sys.stderr.write(f"pytest ended with {error}\n")


class Waiting:
    """A session of pytest that has begun and collected nothing, for children to go on from: so they start faster.

    Args:
        plan: of all children.
    """

    def __init__(self, plan: Plan) -> None:
        # pytest.main does all this, and goes on to the end at once.
        prepare: Callable[..., pytest.Config] = getattr(_pytest.config, "_prepareconfig")  # noqa: B009  it is pytest's own
        config = prepare([*_arguments(plan), *_QUICK, *_files(plan)], [])
        getattr(config, "_do_configure")()  # noqa: B009  as above
        self._session = pytest.Session.from_config(config)
        config.hook.pytest_sessionstart(session=self._session)

    def go_on(self, plan: Plan, recorder: Recorder, *, stop: bool) -> None:
        """Run the planned tests, in a child; ``stop`` ends that at the first failure."""
        config = self._session.config
        config.args = _files(plan)
        config.option.maxfail = int(stop)
        config.pluginmanager.register(recorder)
        config.pluginmanager.register(_Only(plan.cases or []))
        main: Callable[[pytest.Config, pytest.Session], object] = getattr(_pytest.main, "_main")  # noqa: B009  as above
        try:
            main(config, self._session)
        except (pytest.Session.Failed, pytest.Session.Interrupted, pytest.UsageError, SystemExit) as error:
            sys.stderr.write(f"pytest ended with {error}\n")


class _Only:
    """A pytest plugin that makes items of the planned tests only: of a file with many, each item takes its time."""

    def __init__(self, cases: Iterable[str]) -> None:
        self._wanted = {"::".join(case.split("::")[:2]) for case in cases}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
        """Return no item for what is not planned, and leave the rest to pytest."""
        unwanted = isinstance(collector, pytest.Module) and f"{collector.nodeid}::{name}" not in self._wanted
        return [] if unwanted else None


def _arguments(plan: Plan) -> Sequence[str]:
    return [*_OPTIONS, "-c", f"{plan.suite}/pytest.ini", f"--rootdir={plan.suite}"]


def _files(plan: Plan) -> list[str]:
    return [f"{plan.suite}/{name}" for name in plan.files]
