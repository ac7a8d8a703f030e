"""How notes, and events about lanes, gates and limits, are addressed; ``subjects`` hands it on."""

from typing import Literal, assert_never

from testwright_schemas.gate import FlowMessage, GateKind, GateMoved, LimitsSet, TaskQueued
from testwright_schemas.lane import LanePaused
from testwright_schemas.policy import Priority

PREFIX = "testwright"
"""First word of every subject."""


def event(message: LanePaused | FlowMessage) -> str:
    """Return the subject an event is published on."""
    match message:
        case LanePaused():
            return lane_event(message.namespace, message.lane)
        case GateMoved():
            return gate_event(message.namespace, message.kind, message.gate)
        case TaskQueued():
            queue = queued_event(message.namespace, message.kind, message.gate, message.priority)
            return queue.removesuffix("*") + message.task_id
        case LimitsSet():
            return limits_event(message.namespace, "everyone" if message.everyone else "own")
        case _:
            assert_never(message)


def lane_event(namespace: str = "*", lane: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of the pauses of lanes."""
    return f"{PREFIX}.event.{namespace}.lane.{lane}.paused"


def gate_event(namespace: str = "*", kind: GateKind | Literal["*"] = "*", gate: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of the moves of gates."""
    return f"{PREFIX}.event.{namespace}.gate.{kind}.{gate}.moved"


def queued_event(
    namespace: str = "*",
    kind: GateKind | Literal["*"] = "*",
    gate: str = "*",
    priority: Priority | Literal["*"] = "*",
) -> str:
    """Return the filter of the tasks that wait at a gate."""
    return f"{PREFIX}.event.{namespace}.queue.{kind}.{gate}.{priority}.*"


def limits_event(namespace: str = "*", whose: Literal["own", "everyone", "*"] = "*") -> str:
    """Return the subject, or with ``*`` the filter, of limits that were set."""
    return f"{PREFIX}.event.{namespace}.limits.{whose}.set"


def note(namespace: str = "*", task_id: str = "*", item: str = "*", attempt: str = "*", number: str = "*") -> str:
    """Return the subject, or with ``*`` the filter, of the notes of attempts at a work item."""
    return f"{PREFIX}.note.{namespace}.{task_id}.{item}.{attempt}.{number}"
