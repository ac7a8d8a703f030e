"""The runs that every test run asks about, each made once."""

from functools import cache

from tests.support.plans import CALM, of_seed
from tests.support.reports import Report
from tests.support.simulation import run

SEVERAL = range(10)
SEVERAL_CALM = range(0, 100, CALM)
"""Seeds in all of which together a thing must have happened."""


@cache
def report_of(seed: int) -> Report:
    """Return what the run of a seed has left behind."""
    return run(of_seed(seed))
