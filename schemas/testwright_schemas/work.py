"""Work items: what queues hand to exactly one worker at a time."""

from testwright_schemas._base import Count, Id, Message, Time, Token
from testwright_schemas.policy import Policy
from testwright_schemas.snapshot import Snapshot, Target
from testwright_schemas.suite import Artifact, Brief, Usage
from testwright_schemas.task import Attempt


class WorkItem(Message, frozen=True, kw_only=True):
    """What every work item carries: enough to do the work without asking anybody."""

    namespace: Token
    job_id: Id
    task_id: Id
    attempt: Attempt
    target: Target
    snapshot: Snapshot
    policy: Policy


class GenerateSuite(WorkItem, frozen=True, kw_only=True):
    """Run an engine on the target; ``brief`` says what earlier rounds have left to do.

    The budget in ``policy`` is what this round may take. ``spent`` is the usage of all attempts before. ``known`` is
    the stream sequence of the task's submission where nothing else was known of it, otherwise 0: whoever begins the
    attempt while no event has followed that one need not look anything up.
    """

    brief: Brief | None = None
    spent: Usage = Usage()
    known: Count = 0


class VerifySuite(WorkItem, frozen=True, kw_only=True):
    """Judge a candidate. ``fence`` is the sequence of the ``started`` event that the candidate was made under.

    ``spent`` is the usage of all attempts up to the one that made it, ``first_started_at`` is when the first one began.
    """

    candidate: Artifact
    fence: Count
    requirements: tuple[str, ...] = ()
    usage: Usage = Usage()
    log: Artifact | None = None
    spent: Usage | None = None
    first_started_at: Time | None = None


WorkMessage = GenerateSuite | VerifySuite
