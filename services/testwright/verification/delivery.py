"""The only place that makes the file to deliver, and runs it once more: what is delivered is what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from testwright.verification import assembly
from testwright.verification.candidate import Candidate
from testwright.verification.events import Mutant
from testwright.verification.formatting import tidy
from testwright.verification.judging import Outcome
from testwright.verification.measurement import Measurement, measurement
from testwright.verification.polish import polished
from testwright.verification.runs import COLLECT_LIMIT_S, Bench
from testwright_schemas import CaseVerdict

SAMPLE = 40
"""Mutants that a reworked file must notice as the tests in it did before."""

SAMPLE_S = 20.0

ATTEMPTS = 4
"""Times that a file is put together; after each the tests that fail in it are left out."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The file to deliver.

    Attributes:
        name: its relative name; empty where nothing is delivered.
        text: its content, without the docstring.
        ids: for each test in it, by its id in the candidate, its id in the file.
        measured: coverage of the target by it.
        dropped: verdicts on tests that passed in the candidate and do not in it.
    """

    name: str = ""
    text: str = ""
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    measured: Measurement | None = None
    dropped: tuple[CaseVerdict, ...] = ()

    @property
    def flat(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.name).name

    @property
    def cases(self) -> list[str]:
        """Ids of its tests where it lies in a folder of its own."""
        return [id_.removeprefix(self.name.removesuffix(self.flat)) for id_ in self.ids.values()]

    def content(self, header: str) -> bytes:
        """Return the file under a docstring."""
        return f'"""{header}"""\n\n{self.text.lstrip()}'.encode()


async def deliver(bench: Bench, found: Candidate, kept: Sequence[str], mutants: Iterable[Mutant] = ()) -> Delivery:
    """Put the kept tests into one file and run it; a test that fails in there is left out, and the rest tried again.

    Args:
        bench: where it runs.
        found: what the tests are taken from.
        kept: their ids.
        mutants: what became of those that were run, in random order.

    Raises:
        VerificationError: the interpreter cannot run pytest.
    """
    left, dropped = list(kept), dict[str, str]()
    for number in range(1, ATTEMPTS + 1):
        if not left:
            break
        delivery, failed = await _attempt(bench, found, left, f"delivered-{number}")
        if not failed:
            return replace(await _improved(bench, delivery, mutants), dropped=_dropped(dropped))
        dropped |= failed
        left = [case for case in left if case not in failed]
    return Delivery(dropped=_dropped(dropped | dict.fromkeys(left, "others in the file fail each time it is run")))


async def _attempt(
    bench: Bench, found: Candidate, kept: Sequence[str], folder: str
) -> tuple[Delivery, Mapping[str, str]]:
    """Make the file and run it; return it, and why tests fail in it."""
    module = bench.inquiry.target.module
    assembled = assembly.assemble(found.sources, set(kept), module)
    text = await tidy(assembled.text, module.partition(".")[0], bench.inquiry.environment.version)
    name = assembly.file_name(module)
    ids = {case: "::".join((name, *names)) for names, case in assembled.origins.items()}
    outcomes, measured = await _run(bench, Delivery(name, text, ids), folder)
    failed = {
        case: outcome.reason if outcome else "it is not found there"
        for case, outcome in outcomes.items()
        if outcome is None or not outcome.passed
    }
    return Delivery(name, text, ids, measured), failed


async def _run(
    bench: Bench, delivery: Delivery, folder: str
) -> tuple[Mapping[str, Outcome | None], Measurement | None]:
    """Run a file in a new folder; return how each test, by its id in the candidate, ended, and what was measured."""
    suite = await bench.lay_out(folder, {delivery.flat: delivery.text})
    plan = bench.plan("together", suite, delivery.cases)
    seen = await bench.observe(replace(plan, measure=True))
    inside = dict(zip(delivery.ids, delivery.cases, strict=True))
    return {case: seen.outcomes.get(inside[case]) for case in inside}, measurement(seen.heard.events)


async def _improved(bench: Bench, plain: Delivery, mutants: Iterable[Mutant]) -> Delivery:
    """Return the file as a reviewer would have it, where it does all that it did before; else as it is."""
    text = polished(plain.text)
    if text == plain.text or plain.measured is None:
        return plain
    inquiry = bench.inquiry
    text = await tidy(text, inquiry.target.module.partition(".")[0], inquiry.environment.version)
    outcomes, measured = await _run(bench, replace(plain, text=text), "polished")
    passed = all(outcome is not None and outcome.passed for outcome in outcomes.values())
    if not passed or measured is None or measured.total != plain.measured.total:
        return plain
    better = replace(plain, text=text, measured=measured)
    expected = [each.number for each in mutants if each.fate != "survived" and each.by in plain.ids][:SAMPLE]
    return plain if expected and await _misses_any(bench, better, expected) else better


async def _misses_any(bench: Bench, delivery: Delivery, mutants: list[int]) -> bool:
    """Return whether the file notices one of these mutants, by number, no more; those that time allows are tried."""
    suite = await bench.lay_out("polished-mutants", {delivery.flat: delivery.text})
    measured = delivery.measured
    plan = replace(
        bench.plan("mutate", suite, delivery.cases),
        lines={case: measured.lines.get(case, []) for case in delivery.cases} if measured else {},
        import_lines=measured.import_lines if measured else [],
        budget_s=SAMPLE_S,
        only=mutants,
    )
    heard = await bench.run(plan, wall_s=SAMPLE_S + 3 * COLLECT_LIMIT_S)
    return any(each.fate == "survived" for each in heard.events if isinstance(each, Mutant))


def _dropped(reasons: Mapping[str, str]) -> tuple[CaseVerdict, ...]:
    said = "passes in the candidate, not in the delivered file"
    return tuple(CaseVerdict(id=case, verdict="failing", reason=f"{said}: {why}") for case, why in reasons.items())
