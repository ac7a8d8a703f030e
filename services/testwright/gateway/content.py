"""What the object stores hold for a task: its artifacts, and its module's source seen through the report. Pure."""

import msgspec

from testwright.gateway.messages import SourceView
from testwright.history import TaskHistory
from testwright_schemas import Artifact, CaseVerdict, Record, Survivor, TaskSubmitted, envelope

MAX_SOURCE = 2_000_000
"""Characters of a source that are shown."""


class Findings(Record, frozen=True, kw_only=True):
    """The part of a verification report that is shown, see ``testwright.verification.report``."""

    covered_lines: tuple[int, ...] = ()
    missing_lines: tuple[int, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    verdicts: tuple[CaseVerdict, ...] = ()


def artifacts(history: TaskHistory) -> dict[str, Artifact]:
    """Return by digest what a task has in the store for artifacts, as far as its last events tell."""
    found: list[Artifact | None] = []
    if generated := history.generated:
        found += [generated.candidate, generated.log]
    if failed := history.failed:
        found += [failed.log]
    if verified := history.verified:
        found += [verified.log, verified.judgement.report, *verified.judgement.files]
    if finished := history.finished:
        found += [finished.report, finished.error.log if finished.error else None, *finished.files]
    return {one.digest: one for one in found if one is not None}


def report_of(history: TaskHistory) -> Artifact | None:
    """Return the newest verification report of a task."""
    if history.finished and history.finished.report:
        return history.finished.report
    return history.verified.judgement.report if history.verified else None


def view(submitted: TaskSubmitted, source: bytes, report: bytes | None) -> SourceView:
    """Return a module with what its report says; one that cannot be read says nothing."""
    findings = _findings(report)
    return SourceView(
        path=submitted.target.path,
        lines=tuple(source.decode(errors="replace")[:MAX_SOURCE].splitlines()),
        covered_lines=findings.covered_lines if findings else (),
        missing_lines=findings.missing_lines if findings else (),
        survivors=findings.survivors if findings else (),
        tests=findings.verdicts if findings else (),
        verified=findings is not None,
    )


def _findings(report: bytes | None) -> Findings | None:
    try:
        return envelope.decode(report, Findings) if report else None
    except msgspec.DecodeError:
        return None
