"""Publication: what a core asks its shell to publish."""

from testwright_schemas._base import Count, Record, Time
from testwright_schemas.command import CommandMessage
from testwright_schemas.dead import MessageDeadLettered
from testwright_schemas.job import JobMessage
from testwright_schemas.task import TaskMessage
from testwright_schemas.timer import TimerFired
from testwright_schemas.work import WorkMessage
from testwright_schemas.workflow import WorkflowCommand, WorkflowMessage

EventMessage = TaskMessage | JobMessage | WorkflowMessage | MessageDeadLettered


class Expect(Record, frozen=True, kw_only=True):
    """Publish only if the last message on ``subject`` has this stream sequence (0: there is none)."""

    subject: str
    sequence: Count


class Publish(Record, frozen=True, kw_only=True):
    """Publish a message on the subject that is its own.

    ``expect`` makes it conditional; ``once`` leaves it unsaid where anything was ever said on its subject.
    """

    message: CommandMessage | WorkflowCommand | EventMessage | WorkMessage
    expect: Expect | None = None
    once: bool = False


class Schedule(Record, frozen=True, kw_only=True):
    """Have the server deliver a timer at a time; setting the same timer again replaces it."""

    timer: TimerFired
    at: Time


class Unschedule(Record, frozen=True, kw_only=True):
    """Take a timer back; nothing happens where it is not set."""

    timer: TimerFired


Effect = Publish | Schedule | Unschedule
