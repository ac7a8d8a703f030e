"""The only place that checks whether the parts of a bundle belong to each other, by their digests. Pure.

This finds whatever was changed afterwards by someone who did not change everything. Whoever made up all of it, digests
included, is found by running it again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from testwright.verification import report as reports
from testwright.verification.bundle import Bundle
from testwright.verification.report import Report, sha256
from testwright_schemas import (
    Artifact,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskSubmitted,
    envelope,
)

_EVENTS = envelope.Decoder[TaskMessage](TaskMessage)


@dataclass(frozen=True, slots=True)
class Account:
    """What a bundle says, as far as it can be read.

    Attributes:
        submitted: the task.
        finished: its end.
        line: the events that led to the end, last first, by the digests that they name.
        report: of the verification; ``None`` where there was none.
        flaws: what does not belong together, one sentence each.
    """

    submitted: TaskSubmitted | None
    finished: TaskFinished | None
    line: tuple[TaskMessage, ...]
    report: Report | None
    flaws: tuple[str, ...]


def account(bundle: Bundle) -> Account:
    """Return what a bundle says, and what is wrong with it."""
    flaws: list[str] = []
    by_digest: dict[str, TaskMessage] = {}
    for number, body in enumerate(bundle.events, start=1):
        try:
            by_digest[sha256(body)] = _EVENTS.decode(body)
        except msgspec.DecodeError:
            flaws.append(f"event {number} is no event of a task")
    events = list(by_digest.values())
    submitted = next((event for event in reversed(events) if isinstance(event, TaskSubmitted)), None)
    finished = next((event for event in reversed(events) if isinstance(event, TaskFinished)), None)
    report: Report | None = None
    if bundle.report:
        try:
            report = reports.decode(bundle.report)
        except msgspec.DecodeError as error:
            flaws.append(f"the report cannot be read: {error}")
    line: tuple[TaskMessage, ...] = ()
    if submitted is None or finished is None:
        flaws.append(f"the task's {'submission' if submitted is None else 'end'} is not there")
    else:
        line, broken = _line(finished, by_digest)
        flaws += broken
        flaws += _of_artifacts(bundle, submitted, finished)
        flaws += _of_report(report, submitted, finished, line)
        flaws += _of_line(bundle, finished, line)
    return Account(submitted, finished, line, report, tuple(flaws))


def _line(end: TaskFinished, by_digest: Mapping[str, TaskMessage]) -> tuple[tuple[TaskMessage, ...], list[str]]:
    """Return the events that led to an end, last first, and where the line is broken."""
    line: list[TaskMessage] = [end]
    left = dict(by_digest)
    while (previous := line[-1].previous) is not None:
        event = left.pop(previous, None)
        if event is None:
            kind = type(line[-1]).__struct_config__.tag
            return tuple(line), [f"the event before {kind} ({previous[:12]}) is not there, or was changed"]
        line.append(event)
    if not isinstance(line[-1], TaskSubmitted | TaskCancelRequested):
        return tuple(line), [f"{type(line[-1]).__struct_config__.tag} does not say which event led to it"]
    if len({event.task_id for event in line}) > 1:
        return tuple(line), ["the events are of different tasks"]
    return tuple(line), []


def _of_artifacts(bundle: Bundle, submitted: TaskSubmitted, finished: TaskFinished) -> Iterator[str]:
    if sha256(bundle.snapshot) != submitted.snapshot.digest:
        yield "the snapshot is not the one that was submitted" if bundle.snapshot else "the snapshot is not there"
    for file in finished.files:
        content = bundle.suite.get(file.name)
        if content is None:
            yield f"{file.name} is not there"
        elif sha256(content) != file.digest:
            yield f"{file.name} is not the file that was verified"
    for name in sorted(bundle.suite.keys() - {file.name for file in finished.files}):
        yield f"{name} is no file of the result"
    if finished.report and sha256(bundle.report) != finished.report.digest:
        yield "the report is not the one of the result" if bundle.report else "the report is not there"
    if bundle.report and not finished.report:
        yield "the result has no report"


def _of_report(
    report: Report | None, submitted: TaskSubmitted, finished: TaskFinished, line: tuple[TaskMessage, ...]
) -> Iterator[str]:
    if report is None:
        return
    made = {event.candidate.digest for event in line if isinstance(event, SuiteGenerated)}
    lock = report.environment
    checks = {
        "the report is about another snapshot": report.snapshot == submitted.snapshot.digest,
        "the report is about another module": report.target == submitted.target,
        "the report is about other files": _digests(report.files) == _digests(finished.files),
        "the result tells another coverage than the report": report.coverage == finished.coverage,
        "the result tells other mutants than the report": report.mutation == finished.mutation,
        "the report's lock is not the one of its digest": reports.lock_digest(lock.lock) == lock.lock_digest,
        "the report is about a candidate that no event tells of": report.candidate in made,
    }
    yield from (flaw for flaw, right in checks.items() if not right)


def _digests(files: Iterable[Artifact]) -> dict[str, str]:
    return {file.name: file.digest for file in files}


def _of_line(bundle: Bundle, finished: TaskFinished, line: tuple[TaskMessage, ...]) -> Iterator[str]:
    verified = [event for event in line if isinstance(event, SuiteVerified)]
    if finished.report and not any(event.judgement.report == finished.report for event in verified):
        yield "no verification in the line of events has this report"
    for event, before in pairwise(line):
        about = before.candidate.digest if isinstance(before, SuiteGenerated) else None
        if isinstance(event, SuiteVerified) and about and event.judged != about:
            yield "a verification is not about the candidate before it"
    made = [event.candidate.digest for event in line if isinstance(event, SuiteGenerated)]
    if bundle.candidate and sha256(bundle.candidate) not in made:
        yield "the candidate is not the one that was generated"
