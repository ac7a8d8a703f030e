"""What tells messages apart that share one subject; ``subjects`` makes message ids of it."""

import hashlib

import msgspec

from testwright_schemas._base import Message
from testwright_schemas.content import ContentClaimed
from testwright_schemas.dead import MessageDeadLettered
from testwright_schemas.gate import GateMoved, LimitsSet
from testwright_schemas.job import JobProgressed
from testwright_schemas.lane import LanePaused
from testwright_schemas.schedule import ScheduleFired
from testwright_schemas.task import (
    AttemptFailed,
    AttemptStarted,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskProgressed,
    TaskSubmitted,
)
from testwright_schemas.workflow import StageStarted, WorkflowCancelRequested, WorkflowClaimed


def occasion(message: Message) -> tuple[str, ...]:
    """Return what tells a message apart from the others on its subject."""
    match message:
        case TaskSubmitted(joined_to=str(source)):
            # Where it is said again without a source, or with another, that is no repetition.
            return (source,)
        case TaskCancelRequested() | WorkflowCancelRequested():
            return (message.command_id,)
        case JobProgressed() | ContentClaimed():
            return (message.task_id,)
        case ScheduleFired():
            return (message.job_id,)
        case StageStarted():
            return (str(message.attempt), message.claim_id)
        case WorkflowClaimed():
            return (message.claim_id,)
        case LanePaused() | GateMoved() | LimitsSet() | MessageDeadLettered():
            return _occasion_in_the_system(message)
        case _:
            return _occasion_of_attempt(message)


def _occasion_in_the_system(message: LanePaused | GateMoved | LimitsSet | MessageDeadLettered) -> tuple[str, ...]:
    match message:
        case MessageDeadLettered():
            return (message.resent_at.isoformat(),) if message.resent_at else ()
        case LanePaused():
            return (message.until.isoformat(),)
        case GateMoved():
            # Two collectors may each move it from where it was for one task, and each for others beside that.
            digest = hashlib.sha256(msgspec.json.encode(message)).hexdigest()[:16]
            return (message.cause, message.task_id, str(message.after), digest)
        case LimitsSet():
            return (message.set_at.isoformat(),)


def _occasion_of_attempt(message: Message) -> tuple[str, ...]:
    match message:
        case AttemptStarted():
            # Nobody may take another's announcement for a repetition of its own: two slots of one worker, or two
            # workers whose names are the same, may hold the same item.
            return (str(message.attempt.number), message.worker, str(message.turn), message.started_at.isoformat())
        case SuiteGenerated() | SuiteVerified() | AttemptFailed():
            return (str(message.attempt.number),)
        case TaskProgressed():
            return (str(message.attempt), message.phase, f"{message.elapsed_s:.3f}")
        case _:
            return ()
