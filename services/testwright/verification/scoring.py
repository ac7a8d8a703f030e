"""The only place that has mutants run and sums up what the tests noticed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from testwright.verification import events
from testwright.verification.conditions import REFERENCE
from testwright.verification.events import AnyEvent, Mutant
from testwright.verification.inquiry import Progress
from testwright.verification.measurement import Measurement
from testwright.verification.runs import COLLECT_LIMIT_S, Bench
from testwright.verification.trial import Trial
from testwright_schemas import Mutation, Survivor


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the mutants.

    Attributes:
        mutants: those that were run.
        total: how many there are on lines that the tests run.
        note: why there is no score; empty where there is one.
        hollow: tests that pass even where the target is ruined.
    """

    mutants: tuple[Mutant, ...] = ()
    total: int = 0
    note: str = ""
    hollow: frozenset[str] = frozenset()

    @property
    def sampled(self) -> bool:
        """Whether some mutants were left out."""
        return len(self.mutants) < self.total

    def mutation(self, kept: Collection[str]) -> Mutation:
        """Return the score of a suite with only these tests.

        A mutant counts as killed if the first test that noticed it was kept, so that the score is rather too low.
        """
        if not self.mutants:
            return Mutation(sampled=self.sampled)
        killed = sum(is_killed(mutant, kept) for mutant in self.mutants)
        total = len(self.mutants)
        return Mutation(killed=killed, total=total, score=100.0 * killed / total, sampled=self.sampled)

    def survivors(self, kept: Collection[str]) -> tuple[Survivor, ...]:
        """Return the mutants that a suite with only these tests does not notice."""
        missed = sorted({(each.line, each.operator, each.text) for each in self.mutants if not is_killed(each, kept)})
        return tuple(Survivor(line=line, operator=operator, text=text) for line, operator, text in missed)


def is_killed(mutant: Mutant, kept: Collection[str]) -> bool:
    """Return whether a suite with only these tests counts as noticing a mutant."""
    return mutant.fate != "survived" and (not mutant.by or mutant.by in kept) and bool(kept)


async def score(
    bench: Bench, trial: Trial, measured: Measurement, cases: Sequence[str], progress: Progress | None = None
) -> Score:
    """Run mutants on these tests, in this order, within the policy's budget; ``progress`` hears how far that is.

    Raises:
        VerificationError: the interpreter cannot run pytest.
    """
    policy = bench.inquiry.policy
    if not policy.mutants or not policy.mutants_budget_s or not cases:
        return Score(note="mutants are switched off" if cases else "there is no test to score")
    plan = replace(
        bench.plan("mutate", trial.suite, cases),
        lines={case: measured.lines.get(case, []) for case in cases},
        import_lines=measured.import_lines,
        budget_s=policy.mutants_budget_s,
    )
    # Twice for the unmutated runs, once for mutants that are still running when the budget ends.
    wall_s = policy.mutants_budget_s + 3 * (COLLECT_LIMIT_S + bench.inquiry.case_limit_s)
    heard = await bench.run(plan, REFERENCE, wall_s, _Count(progress) if progress else None)
    mutants = [event for event in heard.events if isinstance(event, Mutant)]
    invalid = sum(mutant.fate == "invalid" for mutant in mutants)
    total = sum(event.total for event in heard.events if isinstance(event, events.Mutants)) - invalid
    note = next((event.reason for event in heard.events if isinstance(event, events.Unscored)), "")
    if not total and not note:
        note = "there is nothing to mutate on the lines that the tests run"
    hollow = frozenset(case for event in heard.events if isinstance(event, events.Hollow) for case in event.cases)
    return Score(tuple(mutant for mutant in mutants if mutant.fate != "invalid"), total, note, hollow)


class _Count:
    """Says how many mutants have been run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._total = self._run = self._noticed = 0

    async def __call__(self, event: AnyEvent) -> None:
        match event:
            case events.Mutants(total=total):
                self._total = total
            case Mutant(fate=fate):
                self._run += 1
                self._noticed += fate in {"killed", "timeout"}
                await self._progress(f"mutants: {self._run} of {self._total} run, {self._noticed} noticed")
            case _:
                pass
