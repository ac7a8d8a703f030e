"""The only place that spells a subject, a stream, a consumer, a bucket or a message id.

Ids of messages are made from what they say, so that saying it twice is noticed by the server.
"""

from typing import assert_never

from testwright_schemas import _flows, _parts
from testwright_schemas._occasions import occasion
from testwright_schemas.command import CancelTasks, CommandMessage, RetryTasks, SubmitJob
from testwright_schemas.content import ContentClaimed, ContentMessage, ModuleTaken, TaskJoined
from testwright_schemas.dead import MessageDeadLettered
from testwright_schemas.gate import FlowMessage, GateMoved, LimitsSet, TaskQueued
from testwright_schemas.job import JobEvent, JobFinished, JobProgressed, JobRejected, JobSubmitted
from testwright_schemas.lane import LanePaused
from testwright_schemas.policy import Priority
from testwright_schemas.schedule import (
    CancelSchedule,
    JobScheduled,
    ScheduleCancelled,
    ScheduleCommand,
    ScheduleDue,
    ScheduleEvent,
    ScheduleFired,
    ScheduleJob,
    ScheduleRejected,
)
from testwright_schemas.task import (
    AttemptFailed,
    AttemptStarted,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskEvent,
    TaskFinished,
    TaskProgressed,
    TaskSubmitted,
)
from testwright_schemas.timer import TimerFired
from testwright_schemas.work import GenerateSuite, WorkItem, WorkMessage
from testwright_schemas.workflow import (
    CancelWorkflow,
    RunWorkflow,
    StageEvent,
    StageFinished,
    StageStarted,
    WorkflowCancelRequested,
    WorkflowClaimed,
    WorkflowCommand,
    WorkflowEvent,
    WorkflowFinished,
    WorkflowStarted,
)

PREFIX = _flows.PREFIX

COMMANDS = "TESTWRIGHT_COMMANDS"
WORK = "TESTWRIGHT_WORK"
EVENTS = "TESTWRIGHT_EVENTS"
TIMERS = "TESTWRIGHT_TIMERS"
NOTES = "TESTWRIGHT_NOTES"

SNAPSHOTS = "testwright-snapshots"
ARTIFACTS = "testwright-artifacts"

LEASES = f"{PREFIX}.lease"
"""Not stored: who holds which delivery, for whoever hands on what a dead worker held."""

COMMANDS_ALL = f"{PREFIX}.command.*.*"
WORK_ALL = f"{PREFIX}.work.>"
EVENTS_ALL = f"{PREFIX}.event.>"
TIMERS_SET_ALL = f"{PREFIX}.timer.set.>"
TIMERS_DUE_ALL = f"{PREFIX}.timer.due.>"
TIMERS_SUBMIT_ALL = f"{PREFIX}.timer.submit.>"

EventMessage = (
    TaskEvent
    | JobEvent
    | WorkflowEvent
    | ContentMessage
    | ScheduleEvent
    | LanePaused
    | MessageDeadLettered
    | FlowMessage
)

_TASK_KINDS: dict[type[TaskEvent], str] = {
    TaskSubmitted: "submitted",
    TaskCancelRequested: "cancel-requested",
    AttemptStarted: "started",
    TaskProgressed: "progressed",
    SuiteGenerated: "generated",
    SuiteVerified: "verified",
    AttemptFailed: "attempt-failed",
    TaskFinished: "finished",
}
_JOB_KINDS: dict[type[JobEvent], str] = {
    JobSubmitted: "submitted",
    JobRejected: "rejected",
    JobProgressed: "progressed",
    JobFinished: "finished",
}
_WORKFLOW_KINDS: dict[type[WorkflowEvent], str] = {
    WorkflowStarted: "started",
    WorkflowClaimed: "claimed",
    WorkflowCancelRequested: "cancel-requested",
    StageStarted: "stage-started",
    StageFinished: "stage-finished",
    WorkflowFinished: "finished",
}
_SCHEDULE_KINDS: dict[type[ScheduleEvent], str] = {
    JobScheduled: "set",
    ScheduleRejected: "rejected",
    ScheduleFired: "fired",
    ScheduleCancelled: "cancelled",
}


def command(message: CommandMessage | WorkflowCommand | ScheduleCommand) -> str:
    """Return the subject a command is published on."""
    match message:
        case SubmitJob():
            verb = "submit"
        case CancelTasks():
            verb = "cancel"
        case RetryTasks():
            verb = "retry"
        case RunWorkflow():
            verb = "run-workflow"
        case CancelWorkflow():
            verb = "cancel-workflow"
        case ScheduleJob():
            verb = "schedule"
        case CancelSchedule():
            verb = "cancel-schedule"
        case _:
            assert_never(message)
    return command_filter(verb, message.namespace)


def command_filter(verb: str, namespace: str = "*") -> str:
    """Return the subject of a kind of command, or with ``*`` the filter for all namespaces."""
    return f"{PREFIX}.command.{namespace}.{verb}"


def work(item: WorkMessage) -> str:
    """Return the subject a work item is queued on: its own, so that only the item itself can be in its way."""
    queue = f"{PREFIX}.work.{_work_kind(item)}.{item.attempt.engine}.{item.policy.priority}"
    return f"{queue}.{item.namespace}.{item.task_id}.{item.attempt.number}"


def _work_kind(item: WorkItem) -> str:
    return "generate" if isinstance(item, GenerateSuite) else "verify"


def event(message: EventMessage) -> str:
    """Return the subject an event is published on."""
    match message:
        case TaskEvent():
            return task_event(message.namespace, message.task_id, _TASK_KINDS[type(message)])
        case JobEvent():
            return job_event(message.namespace, message.job_id, _JOB_KINDS[type(message)])
        case WorkflowEvent():
            stage = f".{message.stage}" if isinstance(message, StageEvent) else ""
            return workflow_event(message.namespace, message.run_id, _WORKFLOW_KINDS[type(message)] + stage)
        case ScheduleEvent():
            return schedule_event(message.namespace, message.schedule_id, _SCHEDULE_KINDS[type(message)])
        case ContentClaimed() | TaskJoined() | ModuleTaken():
            return _content_event(message)
        case LanePaused() | GateMoved() | TaskQueued() | LimitsSet():
            return _flows.event(message)
        case MessageDeadLettered():
            return f"{PREFIX}.event.{message.namespace}.dead.{message.letter_id}.lettered"
        case _:
            assert_never(message)


def _content_event(message: ContentMessage) -> str:
    match message:
        case ContentClaimed():
            return f"{PREFIX}.event.{message.namespace}.content.{message.content}.claimed"
        case TaskJoined():
            return joined_event(message.namespace, message.source_id, message.task_id)
        case ModuleTaken():
            return taken_event(message.namespace, message.module, message.task_id)
        case _:
            assert_never(message)


def task_event(namespace: str = "*", task_id: str = "*", kind: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of task events."""
    return f"{PREFIX}.event.{namespace}.task.{task_id}.{kind}"


def job_event(namespace: str = "*", job_id: str = "*", kind: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of job events."""
    return f"{PREFIX}.event.{namespace}.job.{job_id}.{kind}"


def workflow_event(namespace: str = "*", run_id: str = "*", kind: str = ">") -> str:
    """Return the subject, or the filter, of events of workflow runs; those of a stage have its name behind the kind."""
    return f"{PREFIX}.event.{namespace}.workflow.{run_id}.{kind}"


def schedule_event(namespace: str = "*", schedule_id: str = "*", kind: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of events of schedules."""
    return f"{PREFIX}.event.{namespace}.schedule.{schedule_id}.{kind}"


def joined_event(namespace: str = "*", source_id: str = "*", task_id: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of tasks that have joined another one."""
    return f"{PREFIX}.event.{namespace}.task.{source_id}.joined.{task_id}"


def taken_event(namespace: str = "*", module: str = "*", task_id: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of tasks about a module."""
    return f"{PREFIX}.event.{namespace}.module.{module}.taken.{task_id}"


def dead_event(namespace: str = "*", letter_id: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of dead letters."""
    return f"{PREFIX}.event.{namespace}.dead.{letter_id}.lettered"


def events_of(namespace: str) -> str:
    """Return the filter of everything that happens in a namespace."""
    return f"{PREFIX}.event.{namespace}.>"


def timer(message: TimerFired | ScheduleDue) -> tuple[str, str]:
    """Return the subject a timer is set on and the one it is delivered on.

    Each attempt has a retry of its own: one that is set late, by an actor that was cut off, must not replace the next.
    """
    if isinstance(message, ScheduleDue):
        name = f"{message.namespace}.{message.schedule_id}"
        return f"{PREFIX}.timer.set.{name}.schedule", f"{PREFIX}.timer.submit.{name}"
    name = f"{message.namespace}.{message.task_id}.{message.kind}-{message.attempt}"
    return f"{PREFIX}.timer.set.{name}", f"{PREFIX}.timer.due.{name}"


def generate_filter(engine: str, priority: Priority) -> str:
    """Return the filter of the generators' queue for one engine and priority."""
    return f"{PREFIX}.work.generate.{engine}.{priority}.>"


def verify_filter(priority: Priority) -> str:
    """Return the filter of the verifiers' queue for one priority."""
    return f"{PREFIX}.work.verify.*.{priority}.>"


def generate_consumer(engine: str, priority: Priority) -> str:
    """Return the durable consumer of the generators' queue for one engine and priority."""
    return f"generate-{engine}-{priority}"


def verify_consumer(priority: Priority) -> str:
    """Return the durable consumer of the verifiers' queue for one priority."""
    return f"verify-{priority}"


SUBMITTER_CONSUMER = "submitter"
JOINS_CONSUMER = "submitter-joins"
SCHEDULES_CONSUMER = "submitter-schedules"
WORKFLOW_CONSUMER = "workflow"
WORKFLOW_CANCEL_CONSUMER = "workflow-cancel"
COLLECTOR_CONSUMER = "collector"
TIMERS_CONSUMER = "collector-timers"


def message_id(message: CommandMessage | WorkflowCommand | ScheduleCommand | WorkMessage | EventMessage) -> str:
    """Return the id a message is deduplicated by within its stream: namespace, noun, its id, what, which time."""
    match message:
        case SubmitJob() | RetryTasks():
            return f"{message.namespace}/job/{message.job_id}/submit"
        case RunWorkflow():
            return f"{message.namespace}/workflow/{message.run_id}/run"
        case CancelWorkflow():
            return f"{message.namespace}/workflow/{message.run_id}/cancel/{message.command_id}"
        case ScheduleJob():
            return f"{message.namespace}/schedule/{message.schedule_id}/submit"
        case CancelSchedule():
            return f"{message.namespace}/schedule/{message.schedule_id}/cancel/{message.command_id}"
        case CancelTasks():
            return f"{message.namespace}/command/{message.command_id}/cancel"
        case WorkItem():
            return f"{message.namespace}/task/{message.task_id}/{_work_kind(message)}/{message.attempt.number}"
        case _:
            return "/".join((*event(message).split(".")[2:], *occasion(message)))


lane_event = _flows.lane_event
gate_event = _flows.gate_event
queued_event = _flows.queued_event
limits_event = _flows.limits_event
note = _flows.note
is_dead = _parts.is_dead
job_of = _parts.job_of
namespace_of = _parts.namespace_of
task_of = _parts.task_of
