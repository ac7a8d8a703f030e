"""Laws are tests that take the ``report`` of a run, or that of a ``calm`` one; each is held to by many."""

import pytest

from tests.simulation.runs import report_of
from tests.support.plans import CALM
from tests.support.reports import Report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each law held to by so many runs."""
    seeds = range(int(metafunc.config.getoption("--simulations") or 0))
    for name, some in (("report", seeds), ("calm", seeds[::CALM])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, some, indirect=True)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Return what a run has left behind."""
    return report_of(int(request.param))


@pytest.fixture
def calm(request: pytest.FixtureRequest) -> Report:
    """Return what a run has left behind in which nothing goes wrong."""
    return report_of(int(request.param))
