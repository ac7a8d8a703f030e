"""How long one run of a verification may take."""

from pathlib import Path

import pytest

from tests.support.assignments import here
from testwright.environments.uv import UvEnvironments
from testwright.sandbox.local import LocalSandbox
from testwright.verification import Inquiry, Provenance
from testwright.verification._runner.plan import Mode
from testwright.verification.runs import Bench
from testwright_schemas import Policy, Target


def wall_s(folder: Path, mode: Mode, tests: int, timeout_s: float) -> float:
    asked = Inquiry(
        root=folder,
        target=Target(module="shop", path="shop.py"),
        environment=here(),
        files={},
        policy=Policy(timeout_s=timeout_s),
        scratch=folder,
        sandbox=LocalSandbox(allow_bubblewrap=False),
        environments=UvEnvironments(folder),
        provenance=Provenance("task-1", "echo", "ab" * 32),
    )
    bench = Bench(asked, folder)
    return bench._wall_s(bench.plan(mode, folder, [f"t.py::test_{n}" for n in range(tests)]))  # pyright: ignore[reportPrivateUsage]  what it decides cannot be seen in less than minutes


@pytest.mark.parametrize("timeout_s", [300.0, 600.0, 3600.0])
def test_a_big_suite_leaves_time_for_its_repeats(tmp_path: Path, timeout_s: float) -> None:
    apart = wall_s(tmp_path, "apart", 1000, timeout_s)
    together = wall_s(tmp_path, "together", 1000, timeout_s)

    # Two at a time, all of them apart take half of what they take in one process.
    assert 2 * apart <= together
    assert apart + 3 * 2 * apart < timeout_s
    assert apart + 3 * together < timeout_s


def test_a_short_time_is_no_reason_to_run_nothing(tmp_path: Path) -> None:
    assert wall_s(tmp_path, "apart", 1000, 60.0) == 30.0
    assert wall_s(tmp_path, "apart", 1000, 10.0) == 10.0
