"""One measure for every suite, whoever wrote it: it is run ten times over, measured, and tried on the same mutants."""

import ast
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import msgspec

from testwright.environments import Environment, Environments
from testwright.errors import VerificationError
from testwright.sandbox import Sandbox
from testwright.verification import Inquiry, Provenance, candidate, events
from testwright.verification._runner.mutants import Mutant, compile_mutant, mutants
from testwright.verification.conditions import Condition, conditions
from testwright.verification.measurement import Measurement, measurement
from testwright.verification.runs import Bench, Observation, prepare
from testwright.verification.trial import observe_all
from testwright_schemas import Policy, Target

RERUNS = 10
SEED = 20_000
"""Neither the engine's nor the verification's: their own runs are none of these."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite is worth; percentages are of the whole module.

    Attributes:
        seconds: that it took to write it, verification included.
        tests: that it holds.
        failing: of them, those that pass in no re-run.
        flaky: of them, those that pass in some re-runs only.
        line: coverage by the others.
        branch: likewise, ``None`` where there are no branches.
        mutation: mutants that the others notice, of all in the sample, run by a test or not.
        lines: length of the suite's files.
        reason: why there is no suite, empty where there is one.
    """

    seconds: float
    tests: int = 0
    failing: int = 0
    flaky: int = 0
    line: float = 0.0
    branch: float | None = None
    mutation: float = 0.0
    lines: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores suites of one module.

    Attributes:
        root: the project.
        target: the module.
        environment: an interpreter that can import it.
        sandbox: where everything runs.
        environments: has pytest and coverage.
        budget_s: for the mutants of one suite.
        most_mutants: larger modules are judged by a sample of so many, the same for every suite.
    """

    root: Path
    target: Target
    environment: Environment
    sandbox: Sandbox
    environments: Environments
    budget_s: float = 120.0
    most_mutants: int = 300

    async def score(self, files: Mapping[str, bytes], requirements: tuple[str, ...], folder: Path) -> Figures:
        """Return the figures of a suite, without the time it took; ``folder`` is made."""
        inquiry = Inquiry(
            root=self.root,
            target=self.target,
            environment=self.environment,
            files=files,
            policy=Policy(mutants_budget_s=self.budget_s, timeout_s=600.0),
            scratch=folder,
            sandbox=self.sandbox,
            environments=self.environments,
            provenance=Provenance("", "", ""),
            requirements=requirements,
        )
        found = candidate.read(files)
        bench = await prepare(inquiry)
        suite = await bench.lay_out("suite", {source.flat: source.text for source in found.sources})
        cases = list(found.cases)
        each = [Condition(hash_seed=SEED), *(replace(one, hash_seed=SEED + i) for i, one in _others())]
        runs = await observe_all(bench, [(bench.plan("together", suite, cases), one) for one in each])
        passed = {case: sum(_passed(run, case) for run in runs) for case in cases}
        stable = [case for case in cases if passed[case] == RERUNS]
        measured = await _measured(bench, suite, stable)
        coverage = measured.coverage if measured else None
        sample = self.sample()
        noticed = await self.noticed(bench, suite, stable, measured) if measured and sample else ()
        return Figures(
            seconds=0.0,
            tests=len(cases) + len(found.rejected),
            failing=sum(passed[case] == 0 for case in cases) + len(found.rejected),
            flaky=sum(0 < passed[case] < RERUNS for case in cases),
            line=coverage.line if coverage else 0.0,
            branch=coverage.branch if coverage else None,
            mutation=100.0 * len(noticed) / len(sample) if sample else 0.0,
            lines=sum(source.text.count("\n") for source in found.sources),
        )

    async def noticed(self, bench: Bench, suite: Path, cases: list[str], measured: Measurement) -> set[int]:
        """Return the numbers of the mutants of the sample that these tests notice.

        Raises:
            VerificationError: the budget was too short for the sample.
        """
        plan = replace(
            bench.plan("mutate", suite, cases),
            lines={case: measured.lines.get(case, []) for case in cases},
            import_lines=measured.import_lines,
            budget_s=self.budget_s,
            only=self.sample(),
        )
        heard = await bench.run(plan, wall_s=self.budget_s + 120.0)
        tried = [each for each in heard.events if isinstance(each, events.Mutant)]
        reached = next((each.total for each in heard.events if isinstance(each, events.Mutants)), None)
        if reached is None or len(tried) < reached:
            reason = next((each.reason for each in heard.events if isinstance(each, events.Unscored)), "out of time")
            raise VerificationError("unscored", f"{len(tried)} of {reached} mutants were run: {reason}")
        return {each.number for each in tried if each.fate != "survived"}

    def sample(self) -> list[int]:
        """Return the numbers of mutants of the module: of all, or of so many as are tried, that make a program."""
        path = self.root / self.target.path
        tree = ast.parse(path.read_bytes())
        every = list(enumerate(mutants(tree), start=1))
        random.Random(SEED).shuffle(every)
        valid = (number for number, mutant in every if _compiles(tree, mutant, path))
        return sorted(islice(valid, self.most_mutants))


def _compiles(tree: ast.Module, mutant: Mutant, path: Path) -> bool:
    try:
        compile_mutant(tree, mutant, str(path))
    except (SyntaxError, ValueError):
        return False
    return True


def _others() -> list[tuple[int, Condition]]:
    return list(enumerate(conditions(RERUNS, SEED)))[1:]


def _passed(run: Observation, case: str) -> bool:
    outcome = run.outcomes.get(case)
    return outcome is not None and outcome.passed


async def _measured(bench: Bench, suite: Path, cases: list[str]) -> Measurement | None:
    if not cases:
        return None
    seen = await bench.observe(replace(bench.plan("together", suite, cases), measure=True))
    return measurement(seen.heard.events)
