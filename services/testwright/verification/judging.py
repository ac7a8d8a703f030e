"""The only place that turns outcomes of runs into verdicts. Pure.

One rule: what a test did alone and in every repeat must be the same. Where it is not, runs in equal circumstances are
looked at again: if they agree with what they gave before, only the company or the order makes the difference, and the
test is order-dependent; otherwise it is flaky.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from testwright.verification.candidate import Case
from testwright.verification.events import FailureKind, Finished, OutcomeName
from testwright_schemas import CaseVerdict, Verdict

_WORST_FIRST: tuple[OutcomeName, ...] = ("hung", "died", "failed", "xfailed", "xpassed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended in one run, over all its parameters; see ``testwright.verification.events.Finished``."""

    name: OutcomeName
    kind: FailureKind = ""
    reason: str = ""
    detail: str = ""
    touched: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all of it passed."""
        return self.name == "passed"


Outcomes = Mapping[str, Outcome]
"""Of one run, by test id. A test that is not in it was not found by pytest."""


@dataclass(frozen=True, slots=True)
class Second:
    """Runs made again to tell order from chance: ``alone``, in ``order``, and shuffled with all else equal."""

    alone: Outcomes
    order: Outcomes
    shuffled: Outcomes


def combine(events: Iterable[Finished]) -> dict[str, Outcome]:
    """Return the worst outcome of each test."""
    result: dict[str, Outcome] = {}
    for event in events:
        new = Outcome(event.outcome, event.kind, event.reason, event.detail, event.touched)
        old = result.get(event.case, new)
        worst = min(old, new, key=lambda outcome: _WORST_FIRST.index(outcome.name))
        touched = tuple(dict.fromkeys((*old.touched, *new.touched)))
        result[event.case] = replace(worst, touched=touched)
    return result


def unstable(alone: Outcomes, repeats: Sequence[Outcomes]) -> list[str]:
    """Return the tests that did not do the same alone and in every repeat."""
    return [case for case in alone if len({_name(run, case) for run in (alone, *repeats)}) > 1]


def judge(case: Case, alone: Outcomes, repeats: Sequence[Outcomes], second: Second | None) -> CaseVerdict | None:
    """Return the verdict on a test that was run, ``None`` if it passed throughout."""
    runs = [run[case.id] for run in (alone, *repeats) if case.id in run]
    if not runs:
        return _verdict(case, "not-collected", "pytest does not find it")
    if runs[0].touched:
        return _verdict(case, "unsafe", "; ".join(runs[0].touched))
    early = _by_first(case, runs[0])
    if early is not None:
        return early
    if second is not None and len({run.name for run in runs}) > 1:
        return _varying(case, alone, repeats, second)
    if runs[0].passed:
        return _verdict(case, "vacuous", case.flaw) if case.flaw else None
    return _failing(case, runs)


def _by_first(case: Case, outcome: Outcome) -> CaseVerdict | None:
    """Judge by the run alone where that is enough."""
    match outcome.name:
        case "hung":
            return _verdict(case, "too-slow", outcome.reason)
        case "died":
            return _verdict(case, "unsafe", outcome.reason)
        case "skipped" | "xfailed" | "xpassed":
            return _verdict(case, "vacuous", f"{outcome.name}: {outcome.reason}".rstrip(": "))
        case _:
            return None


def _failing(case: Case, runs: Sequence[Outcome]) -> CaseVerdict:
    kinds = {run.kind for run in runs}
    if kinds == {"assertion"} or (case.is_property and kinds == {"crash"}):
        return _verdict(case, "suspected-bug", runs[0].reason)
    return _verdict(case, "failing", runs[0].reason)


def _varying(case: Case, alone: Outcomes, repeats: Sequence[Outcomes], second: Second) -> CaseVerdict:
    reason = next((run[case.id].reason for run in (alone, *repeats) if not _passes(run, case.id)), "")
    in_company = (second.order, second.shuffled)
    same_again = _name(second.alone, case.id) == _name(alone, case.id)
    same_again = same_again and (not repeats or _name(second.order, case.id) == _name(repeats[0], case.id))
    if same_again and any(_name(run, case.id) != _name(alone, case.id) for run in in_company):
        where = "alone" if not _passes(alone, case.id) else "with others"
        return _verdict(case, "order-dependent", f"fails {where}: {reason}")
    failures = sum(not _passes(run, case.id) for run in (alone, *repeats))
    return _verdict(case, "flaky", f"fails in {failures} of {len(repeats) + 1} runs: {reason}")


def _passes(run: Outcomes, case: str) -> bool:
    return case in run and run[case].passed


def _name(run: Outcomes, case: str) -> str:
    return run[case].name if case in run else "missing"


def _verdict(case: Case, verdict: Verdict, reason: str) -> CaseVerdict:
    return CaseVerdict(id=case.id, verdict=verdict, reason=reason)
