"""The whole system under what Hypothesis has go wrong: a failure is made smaller until only that is left which matters.

It is printed with its plan, which ``just simulate --plan`` replays, and with the line that makes this test replay it.
"""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.simulation.laws import hold
from tests.support.plans import Plan, made_with
from tests.support.simulation import run

FEW = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
"""A share for every test run, always the same; ``just simulate --scenarios`` has more, always others."""

plans = st.builds(made_with, st.randoms(use_true_random=False), st.integers(0, 1000), calm=st.just(False))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep what goes wrong on purpose out of the failure's report."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(900)  # making a failure smaller takes minutes
@FEW
@given(plans)
def test_whatever_goes_wrong_every_law_holds(plan: Plan) -> None:
    keep_to_the_laws(plan)


def keep_to_the_laws(plan: Plan) -> None:
    """Run a plan and hold it to every law."""
    note(f"just simulate --plan '{plan.text}'")

    hold(run(plan))
