"""Bundles of evidence with every digest in its place, whatever they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from testwright.chain import HEADER, header, linked
from testwright.snapshots import archive
from testwright.verification.bundle import Bundle
from testwright.verification.report import EnvironmentRecord, Report, lock_digest, sha256
from testwright_schemas import (
    Artifact,
    Attempt,
    AttemptStarted,
    CaseVerdict,
    Coverage,
    Judgement,
    Mutation,
    Policy,
    Snapshot,
    SuiteGenerated,
    SuiteVerified,
    Target,
    TaskFinished,
    TaskMessage,
    TaskSubmitted,
    Usage,
    envelope,
)

AT = datetime(2026, 11, 22, tzinfo=UTC)
COVERAGE = Coverage(line=50.0, covered_lines=1, total_lines=2)
CANDIDATE = archive.pack({"test_a.py": b"def test_a():\n    assert True\n"})


def artifact(name: str, content: bytes) -> Artifact:
    """Return what names a file."""
    return Artifact(name=name, digest=sha256(content), size=len(content))


def report(sources: bytes, suite: Mapping[str, bytes]) -> Report:
    """Return a small report on a suite."""
    lock = ("idna==3.10",)
    return Report(
        testwright="0.1.0",
        engine="echo",
        task_id="task-1",
        module="shop",
        target=Target(module="shop", path="shop.py"),
        policy=Policy(),
        snapshot=sha256(sources),
        candidate=sha256(CANDIDATE),
        python="3.11.9",
        environment=EnvironmentRecord(digest="ab", lock=lock, lock_digest=lock_digest(lock)),
        pins=("pytest==9.2.0",),
        isolation="bubblewrap",
        seed=0,
        conditions=("hash seed 0",),
        verdicts=(CaseVerdict(id="test_shop.py::test_a", verdict="kept"),),
        delivered=tuple(suite),
        files=tuple(artifact(name, content) for name, content in suite.items()),
        coverage=COVERAGE,
        mutation=Mutation(killed=1, total=2, score=50.0),
        usage=Usage(wall_s=1.5),
    )


@dataclass
class Line:
    """Events that lead to each other as they are published."""

    bodies: list[bytes] = field(default_factory=list[bytes])
    cause: dict[str, str] = field(default_factory=dict[str, str])

    def say(self, message: TaskMessage, *, leads: bool = True) -> None:
        """Add an event; the next one follows from it unless it leads nowhere."""
        told = linked(message, self.cause)
        body = envelope.encode(told)
        self.bodies.append(body)
        if leads:
            self.cause = {HEADER: header(told, body, self.cause)[HEADER]}


def bundle(sources: bytes, suite: Mapping[str, bytes], made: Report) -> Bundle:
    """Return the evidence of a task with this report, as a server would have it."""
    told = made.encode()
    ids: dict[str, Any] = {"namespace": "default", "job_id": "job-1", "task_id": "task-1"}
    attempt = Attempt(number=1, engine="echo")
    files = tuple(artifact(name, content) for name, content in suite.items())
    candidate = Artifact(name="candidate.tar.gz", digest=made.candidate, size=1)
    judgement = Judgement(
        cases=made.verdicts,
        coverage=made.coverage,
        mutation=made.mutation,
        files=files,
        report=artifact("report.json", told),
    )
    line = Line()
    target = made.target or Target(module="shop", path="shop.py")
    snapshot = Snapshot(digest=sha256(sources), size=len(sources), files=1)
    line.say(TaskSubmitted(**ids, target=target, snapshot=snapshot, policy=made.policy or Policy(), created_at=AT))
    line.say(AttemptStarted(**ids, attempt=attempt, worker="w", started_at=AT), leads=False)
    line.say(SuiteGenerated(**ids, attempt=attempt, candidate=candidate, files=("test_a.py",), fence=2))
    line.say(SuiteVerified(**ids, attempt=attempt, judgement=judgement, judged=candidate.digest))
    line.say(
        TaskFinished(
            **ids,
            module=target.module,
            outcome="completed",
            files=files,
            coverage=made.coverage,
            mutation=made.mutation,
            report=judgement.report,
            created_at=AT,
            completed_at=AT,
        )
    )
    return Bundle(line.bodies, snapshot=sources, report=told, suite=suite)


def about(made: Report, suite: Mapping[str, bytes], sources: bytes) -> Report:
    """Return a report as if it had been made of these files."""
    files = tuple(artifact(name, content) for name, content in suite.items())
    lock = lock_digest(made.environment.lock)
    return replace(
        made,
        files=files,
        snapshot=sha256(sources),
        candidate=made.candidate or sha256(CANDIDATE),
        environment=replace(made.environment, lock_digest=lock),
    )
