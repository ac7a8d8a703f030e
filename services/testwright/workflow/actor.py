"""The workflow actor's shell: drives runs that were asked for, and takes requests for their end."""

from collections.abc import Sequence

from testwright.actor import Actor, Reaction
from testwright.bus import Bus, Stored
from testwright.voice import Voice
from testwright.workflow.driver import begin, drive
from testwright.workflow.stages import Tools
from testwright_schemas import (
    CancelWorkflow,
    Effect,
    Publish,
    RunWorkflow,
    WorkflowCancelRequested,
    subjects,
)

SLOTS = 4
"""Runs that one process drives at a time."""


class _Workflows:
    def __init__(self, bus: Bus, tools: Tools) -> None:
        self._bus = bus
        self._tools = tools

    async def run(self, command: RunWorkflow, _: Stored) -> Sequence[Effect]:
        """Drive a run to its end: the command is kept from others by signs of life, and comes back if they stop."""
        await begin(self._bus, self._tools, command)
        await drive(self._bus, self._tools, command.namespace, command.run_id)
        return ()


async def _request_end(command: CancelWorkflow, _: Stored) -> Sequence[Effect]:
    # Whoever drives the run knows best whether it has ended meanwhile.
    requested = WorkflowCancelRequested(
        namespace=command.namespace, run_id=command.run_id, command_id=command.command_id, reason=command.reason
    )
    return (Publish(message=requested),)


def workflow(bus: Bus, tools: Tools, *, slots: int = SLOTS) -> Actor:
    """Return a workflow actor.

    Args:
        bus: its connection.
        tools: what driving a run takes.
        slots: runs at a time.
    """
    runs = Reaction(
        stream=subjects.COMMANDS,
        consumers=(subjects.WORKFLOW_CONSUMER,),
        type_=RunWorkflow,
        handle=_Workflows(bus, tools).run,
        slots=slots,
    )
    return Actor("workflow", bus, Voice(bus, "workflow", tools.clock), (runs, _cancels()))


def canceller(bus: Bus, tools: Tools) -> Actor:
    """Return an actor that takes requests for the end of runs only, for a process that drives one by itself."""
    return Actor("workflow", bus, Voice(bus, "workflow", tools.clock), (_cancels(),))


def _cancels() -> Reaction:
    return Reaction(
        stream=subjects.COMMANDS,
        consumers=(subjects.WORKFLOW_CANCEL_CONSUMER,),
        type_=CancelWorkflow,
        handle=_request_end,
    )
