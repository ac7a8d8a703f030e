"""Publication: what a core asks its shell to publish."""

from testwright_schemas._base import Count, Record, Time
from testwright_schemas.command import CommandMessage
from testwright_schemas.content import ContentMessage
from testwright_schemas.dead import MessageDeadLettered
from testwright_schemas.gate import FlowMessage
from testwright_schemas.job import JobMessage
from testwright_schemas.lane import LanePaused
from testwright_schemas.schedule import ScheduleCommand, ScheduleDue, ScheduleMessage, Timetable
from testwright_schemas.task import TaskMessage
from testwright_schemas.timer import TimerFired
from testwright_schemas.work import WorkMessage
from testwright_schemas.workflow import WorkflowCommand, WorkflowMessage

EventMessage = (
    TaskMessage
    | JobMessage
    | WorkflowMessage
    | ContentMessage
    | ScheduleMessage
    | LanePaused
    | MessageDeadLettered
    | FlowMessage
)


class Expect(Record, frozen=True, kw_only=True):
    """Publish only if the last message on ``subject`` has this stream sequence (0: there is none)."""

    subject: str
    sequence: Count


class Publish(Record, frozen=True, kw_only=True):
    """Publish a message on the subject that is its own.

    ``expect`` makes it conditional; ``once`` leaves it unsaid where anything was ever said on its subject. One that is
    ``behind`` is not said before everything that comes before it was.
    """

    message: CommandMessage | WorkflowCommand | ScheduleCommand | EventMessage | WorkMessage
    expect: Expect | None = None
    once: bool = False
    behind: bool = False


class Schedule(Record, frozen=True, kw_only=True):
    """Have the server deliver a timer at a time, or by a timetable; setting the same timer again replaces it."""

    timer: TimerFired | ScheduleDue
    at: Time | Timetable


class Unschedule(Record, frozen=True, kw_only=True):
    """Take a timer back; nothing happens where it is not set."""

    timer: TimerFired | ScheduleDue


Effect = Publish | Schedule | Unschedule
