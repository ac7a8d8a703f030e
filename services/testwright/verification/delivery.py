"""The only place that makes the file to deliver, and runs it once more: what is delivered is what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from testwright.verification import assembly
from testwright.verification.candidate import Candidate
from testwright.verification.formatting import tidy
from testwright.verification.measurement import Measurement, measurement
from testwright.verification.runs import Bench
from testwright_schemas import CaseVerdict


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

    def content(self, header: str) -> bytes:
        """Return the file under a docstring."""
        return f'"""{header}"""\n\n{self.text.lstrip()}'.encode()


async def deliver(bench: Bench, found: Candidate, kept: Sequence[str]) -> Delivery:
    """Put the kept tests into one file and run it; a test that fails in there is left out, and the rest tried again.

    Raises:
        VerificationError: the interpreter cannot run pytest.
    """
    if not kept:
        return Delivery()
    first, failed = await _attempt(bench, found, kept, "delivered")
    if not failed:
        return first
    left = [case for case in kept if case not in failed]
    second, failed_again = (
        await _attempt(bench, found, left, "delivered-again") if left else (Delivery(), dict[str, str]())
    )
    dropped = tuple(_dropped(case, reason) for case, reason in {**failed, **failed_again}.items())
    if failed_again:
        rest = (case for case in left if case not in failed_again)
        dropped += tuple(_dropped(case, "others in the file failed again") for case in rest)
        return Delivery(dropped=dropped)
    return replace(second, dropped=dropped)


async def _attempt(
    bench: Bench, found: Candidate, kept: Sequence[str], folder: str
) -> tuple[Delivery, Mapping[str, str]]:
    """Make the file and run it; return it, and why tests fail in it."""
    module = bench.inquiry.target.module
    assembled = assembly.assemble(found.sources, set(kept), module)
    text = await tidy(assembled.text, module.partition(".")[0], bench.inquiry.environment.version)
    name = assembly.file_name(module)
    flat = PurePosixPath(name).name
    suite = await bench.lay_out(folder, {flat: text})
    inside = {case: "::".join((flat, *names)) for names, case in assembled.origins.items()}
    plan = bench.plan("together", suite, [inside[case] for case in kept])
    seen = await bench.observe(replace(plan, measure=True))
    outcomes = {case: seen.outcomes.get(inside[case]) for case in kept}
    failed = {
        case: outcome.reason if outcome else "it is not found there"
        for case, outcome in outcomes.items()
        if outcome is None or not outcome.passed
    }
    ids = {case: f"{name}::{'::'.join(names)}" for names, case in assembled.origins.items()}
    return Delivery(name, text, ids, measurement(seen.heard.events)), failed


def _dropped(case: str, reason: str) -> CaseVerdict:
    return CaseVerdict(
        id=case, verdict="failing", reason=f"passes in the candidate, not in the delivered file: {reason}"
    )
