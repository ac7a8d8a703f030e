"""What generating tests beside the other stages saves, against the guide's old way: generate, wait, go on.

A real engine writes tests for real modules, on one server, with everything in this process. The same stages run
alternately one after the other and side by side, so that both share whatever the machine is doing. The stages beside
the generation wait, as those do that ask other machines; together they take a share of the time that the generation was
seen to take: less, as much, more. With ``--contended`` they check types on this machine instead, and compete with it.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from benchmarks.table import Row, show
from testwright import app, clock, settings
from testwright.cli.service import complete
from testwright.client import Client
from testwright.workflow import definition, runs
from testwright.workflow.timing import critical_path, durations
from testwright_schemas import CollectSuites, Plan, Policy, RunCommand, StageSpec, SubmitModules

ROUNDS = 4
EXAMPLE = Path(__file__).parents[1] / "examples" / "parcels"
MODULE = "src/parcels/shipping.py"
SMALL = "src/parcels/manifest.py"
SHARES = {"generation longer than the rest": 0.5, "as long as the rest": 1.0, "shorter than the rest": 1.8}
"""Of each workload, what the stages beside the generation take, against the generation."""

CHECK = ("python", "-m", "compileall", "-q", "-f", "src")
TYPES = ("python", "-m", "mypy", "--no-incremental", "--cache-dir=/dev/null", "src")


@dataclass(frozen=True, slots=True)
class Bench:
    """What runs share.

    Attributes:
        client: on their server.
        root: folder that they work in.
    """

    client: Client
    root: Path

    async def measure(self, stages: Plan) -> runs.RunResult:
        """Return the result of one run, which must have completed."""
        # What the run before has delivered would be part of the next snapshot.
        await run_sync(partial(shutil.rmtree, self.root / "tests", ignore_errors=True))
        # Work on content that was done before is not done again, so no two runs may have the same.
        await anyio.Path(self.root, "README.md").write_text(clock.new_id("run"), encoding="utf-8")
        order = runs.order(self.client, stages, self.root, clock.new_id("run"))
        result = await runs.start(self.client, app.workflow_tools(settings.load()), order)
        assert result.success, result.stage_results
        return result


@dataclass(slots=True)
class Sample:
    """Runs of one workload, in the order in which they were made."""

    blocking: list[runs.RunResult] = field(default_factory=list[runs.RunResult])
    overlapped: list[runs.RunResult] = field(default_factory=list[runs.RunResult])


def plan(generation: SubmitModules, testing: Sequence[str], refactoring: Sequence[str]) -> Plan:
    """Return the stages of the guide: tests are generated during testing and refactoring."""
    return definition.check(
        Plan(
            stages=(
                _command("specification", CHECK),
                _command("testing", testing, "specification"),
                StageSpec(name="generation", work=generation, needs=("specification",)),
                _command("refactoring", refactoring, "testing"),
                StageSpec(name="collection", work=CollectSuites(stage="generation"), needs=("refactoring",)),
                _command("gates", CHECK, "collection"),
            )
        )
    )


def _command(name: str, argv: Sequence[str], *needs: str) -> StageSpec:
    return StageSpec(name=name, work=RunCommand(argv=tuple(argv)), needs=needs)


def waiting(generation: SubmitModules, rest_s: float) -> Plan:
    """Return the plan whose stages beside the generation wait for so many seconds together."""
    return plan(generation, ("sleep", f"{rest_s / 3:.2f}"), ("sleep", f"{2 * rest_s / 3:.2f}"))


async def sampled(bench: Bench, overlapped: Plan, rounds: int) -> Sample:
    """Return alternating runs of a workload."""
    blocking = definition.serialised(overlapped)
    sample = Sample()
    for _ in range(rounds):
        sample.blocking.append(await bench.measure(blocking))
        sample.overlapped.append(await bench.measure(overlapped))
    return sample


def rows(name: str, overlapped: Plan, sample: Sample) -> list[Row]:
    """Return the figures of a workload."""
    slow = [run.end.timing.wall_s for run in sample.blocking]
    quick = [run.end.timing.wall_s for run in sample.overlapped]
    waited, taken = statistics.median(slow), statistics.median(quick)
    told = [run.end.timing.critical_path_s / run.end.timing.wall_s for run in sample.overlapped]
    # What the stages have taken where nothing ran beside them is the best that running them side by side can come to.
    best = [critical_path(overlapped, durations(overlapped, run.stages))[1] for run in sample.blocking]
    return [
        Row(f"{name}: one after the other, median", waited, "s"),
        Row(f"{name}: … slowest less fastest", max(slow) - min(slow), "s"),
        Row(f"{name}: side by side, median", taken, "s", taken / waited, "one after the other"),
        Row(f"{name}: … slowest less fastest", max(quick) - min(quick), "s"),
        Row(f"{name}: saved", 100 * (1 - taken / waited), "%"),
        Row(f"{name}: critical path / measured", statistics.median(told), ""),
        Row(f"{name}: critical path of the blocking runs / measured", statistics.median(best) / taken, ""),
    ]


async def main(arguments: Sequence[str] = ()) -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="benchmarks workflow_overlap", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of each, with a small module")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--engine", default="pynguin", help="with a budget of 10 s [pynguin]")
    parser.add_argument("--contended", action="store_true", help="only stages that compete with the generation")
    wanted = parser.parse_args(arguments)
    rounds, module = (1, SMALL) if wanted.quick else (wanted.rounds, MODULE)
    policy = Policy(engines=(wanted.engine,), budget_s=10.0, repeats=2, mutants=False)
    generation = SubmitModules(paths=(module,), policy=policy)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "parcels")
        await run_sync(partial(shutil.copytree, EXAMPLE, root, ignore=shutil.ignore_patterns("tests")))
        async with complete(None, app.Options()) as url, Client.connect(url) as client:
            bench = Bench(client, root)
            # The first run builds environments, the second says how long a generation takes.
            await bench.measure(waiting(generation, 0))
            alone = await bench.measure(waiting(generation, 0))
            generation_s = durations(waiting(generation, 0), alone.stages)["generation"]
            plans = {name: waiting(generation, share * generation_s) for name, share in SHARES.items()}
            if wanted.contended:
                plans = {"contended": plan(generation, TYPES, (*TYPES[:3], "--strict", *TYPES[3:]))}
            found = [Row("generation alone", generation_s, "s")]
            for name, stages in plans.items():
                found += rows(name, stages, await sampled(bench, stages, rounds))
    kind = "workflow_overlap_contended" if wanted.contended else "workflow_overlap"
    show(f"{kind}: tests by {wanted.engine} beside other stages, against waiting for them", found)
