"""What generating tests beside the other stages saves, against a pipeline that waits for them.

The same stages run alternately one after the other and side by side, on one server, with everything in this process:
so the two share whatever the machine is doing. By default the stages beside the generation only wait, so that they and
the generation do not compete for the processors, and the engine is echo: what takes time is the verification. With
``--real`` the engine is Pynguin and the stages check types, which do compete.
"""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from benchmarks.table import Row, show
from testwright import app, clock, settings
from testwright.cli.service import complete
from testwright.client import Client
from testwright.workflow import definition, runs
from testwright_schemas import CollectSuites, Plan, Policy, RunCommand, StageSpec, SubmitModules

ROUNDS = 5
EXAMPLE = Path(__file__).parents[1] / "examples" / "parcels"
MODULE = "src/parcels/shipping.py"


def command(name: str, *argv: str, needs: tuple[str, ...] = ()) -> StageSpec:
    """Return a stage that runs a program."""
    return StageSpec(name=name, work=RunCommand(argv=argv), needs=needs)


STUBS = {"specification": ("sleep", "0.2"), "testing": ("sleep", "1"), "refactoring": ("sleep", "2")}
REAL = {
    "specification": ("python", "-m", "compileall", "-q", "-f", "src"),
    "testing": ("python", "-m", "mypy", "--no-incremental", "--cache-dir=/dev/null", "src"),
    "refactoring": ("python", "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null", "src"),
}


def plan(*, real: bool) -> Plan:
    """Return the stages of the guide: tests are generated during testing and refactoring."""
    does = REAL if real else STUBS
    policy = Policy(engines=("pynguin" if real else "echo",), budget_s=10.0, repeats=2, mutants=False)
    generation = SubmitModules(paths=(MODULE,), policy=policy)
    return definition.check(
        Plan(
            stages=(
                command("specification", *does["specification"]),
                command("testing", *does["testing"], needs=("specification",)),
                StageSpec(name="generation", work=generation, needs=("specification",)),
                command("refactoring", *does["refactoring"], needs=("testing",)),
                StageSpec(name="collection", work=CollectSuites(stage="generation"), needs=("refactoring",)),
                command("gates", *does["specification"], needs=("collection",)),
            )
        )
    )


async def measure(client: Client, stages: Plan, root: Path) -> runs.RunResult:
    """Return the result of one run, which must have completed."""
    # What the run before has delivered would be part of the next snapshot.
    await run_sync(lambda: shutil.rmtree(root / "tests", ignore_errors=True))
    command = runs.order(client, stages, root, clock.new_id("run"))
    result = await runs.start(client, app.workflow_tools(settings.load()), command)
    assert result.success, result.stage_results
    return result


async def main(*, real: bool = False) -> None:
    """Measure and show."""
    overlapped = plan(real=real)
    blocking = definition.serialised(overlapped)
    slow, quick = list[runs.RunResult](), list[runs.RunResult]()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "parcels")
        await run_sync(lambda: shutil.copytree(EXAMPLE, root))
        async with complete(None, app.Options()) as url, Client.connect(url) as client:
            # Environments are built once, before anything is measured.
            await measure(client, overlapped, root)
            for _ in range(ROUNDS):
                slow.append(await measure(client, blocking, root))
                quick.append(await measure(client, overlapped, root))
    waited = statistics.median(one.end.timing.wall_s for one in slow)
    taken = statistics.median(one.end.timing.wall_s for one in quick)
    chain = statistics.median(one.end.timing.critical_path_s / one.end.timing.wall_s for one in quick)
    told = statistics.median(one.parallel_execution_savings_ms for one in quick) / 1000
    name = "workflow_overlap_real" if real else "workflow_overlap"
    what = "Pynguin and type checks" if real else "echo and waiting stages"
    show(
        f"{name}: tests generated beside other stages, {what}",
        [
            Row("one after the other, median", waited, "s"),
            Row("side by side, median", taken, "s", taken / waited, "one after the other"),
            Row("saved", 100 * (1 - taken / waited), "%"),
            Row("saved, as the runs tell it themselves", 100 * told / (taken + told), "%"),
            Row("longest chain of a run / its length", chain, ""),
        ],
    )


if __name__ == "__main__":
    anyio.run(lambda: main(real="--real" in sys.argv))
