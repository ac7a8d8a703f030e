"""What the HTTP API takes and gives besides rows and events: bodies, as structs."""

from typing import Annotated

import msgspec

from testwright_schemas import CaseVerdict, Policy, Record, Survivor
from testwright_schemas._base import Digest


class Submission(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Modules of an uploaded snapshot, to be tested under a policy.

    Attributes:
        snapshot: digest that the upload was answered with.
        paths: files, or folders for all modules below, relative to the snapshot's root; ``.`` is all of it.
        policy: how it is done.
    """

    snapshot: Digest
    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1000)]
    policy: Policy = Policy()


class SubmittedTask(Record, frozen=True, kw_only=True):
    """A task of a submission."""

    id: str
    module: str


class SubmittedJob(Record, frozen=True, kw_only=True):
    """A submission that is stored: ``skipped`` are files below the paths that are no targets, with the reason."""

    job: str
    tasks: tuple[SubmittedTask, ...]
    skipped: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Reason(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something is to end; for people."""

    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class SourceView(Record, frozen=True, kw_only=True):
    """The module that a task is about, with what verification found out about its lines.

    Attributes:
        path: of the file in its project.
        lines: of the source.
        covered_lines: that the kept tests run, counted from 1.
        missing_lines: that they do not run.
        survivors: changes that they do not notice.
        tests: verdicts on all tests.
        verified: whether there is a report yet.
    """

    path: str
    lines: tuple[str, ...]
    covered_lines: tuple[int, ...] = ()
    missing_lines: tuple[int, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    tests: tuple[CaseVerdict, ...] = ()
    verified: bool = False
