"""A run can be replayed: in any process it is the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.runs import report_of
from tests.support.plans import of_seed
from tests.support.simulation import run

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process

ROOT = Path(__file__).parents[2]
SEED = 7


def test_the_same_seed_gives_the_same_run():
    assert run(of_seed(SEED)).digest == report_of(SEED).digest


@pytest.mark.timeout(300)  # two processes that begin anew, beside all others
def test_a_seed_gives_the_same_run_in_any_process_in_whatever_order_it_goes_through_sets():
    replay = [sys.executable, "-m", "tests.simulation", "--seed", str(SEED)]
    processes = [
        subprocess.Popen(
            replay, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("1", "2")
    ]

    said = [process.communicate()[0].splitlines()[0] for process in processes]

    assert said == [report_of(SEED).digest] * 2
