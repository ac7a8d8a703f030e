"""When a task is begun: once it has passed the gates of its job and of its namespace."""

from collections.abc import Sequence

from testwright.bus import Bus, Stored
from testwright.collector import core, gates
from testwright.collector.entrance import Entrance
from testwright.collector.finishing import finish
from testwright.collector.gates import Gate
from testwright.collector.namespaces import Namespaces
from testwright.collector.young import Young
from testwright.history import JobHistory, TaskHistory
from testwright.voice import Archive, Voice
from testwright_schemas import Effect, GateMoved, LimitsSet, TaskError, TaskFinished, TaskSubmitted, subjects


class Admission:
    """Leads tasks from their submission to their first attempt, and gives away the places of those that have ended.

    A task without a gate in its way is begun at once.

    Args:
        bus: where gates are.
        voice: how their moves are said.
        namespaces: what they may do.
        young: what is known of tasks that were not begun.
    """

    def __init__(self, bus: Bus, voice: Voice, namespaces: Namespaces, young: Young) -> None:
        self._bus = bus
        self._archive = Archive(bus)
        self._voice = voice
        self._namespaces = namespaces
        self._young = young
        self._entrance = Entrance(bus, voice, self._settle)

    async def submitted(self, history: TaskHistory, stored: Stored) -> Sequence[Effect]:
        """Return what follows for a submitted task now; it may have to wait."""
        accepted = core.accept(history)
        known = history.submitted
        ways = await self._ways(known) if known and core.may_begin(history) else ()
        if known is None or not ways:
            return (*core.begin(history), *accepted)
        for effect in accepted:
            # It counts from the submission, however long the task waits.
            await self._voice.say(effect, stored.headers)
        await self._entrance.enter(ways[0], known, stored.headers)
        return ()

    async def moved(self, move: GateMoved, stored: Stored) -> None:
        """Have what follows for those that a gate has let in, or has refused, if nobody has seen to it."""
        await self._entrance.settle(move, stored)

    async def ended(self, end: TaskFinished, job: JobHistory, stored: Stored) -> None:
        """Give the places of a task that has ended to those that wait."""
        asked = gates.Asked()
        if told := job.submitted:
            asked = gates.Asked(places=told.concurrency, key=told.concurrency_key, max_cost_usd=told.max_cost_usd)
        passed = gates.ways(end.namespace, end.job_id, asked, await self._namespaces.gate(end.namespace))
        for gate in passed:
            await self._entrance.leave(gate, {stored.sequence: end}, stored.headers)

    async def review(self, limits: LimitsSet, stored: Stored) -> None:
        """Let in those that may pass under new limits; where they are for everyone, the next move of each gate does."""
        self._namespaces.note(limits, stored.sequence)
        if gate := await self._namespaces.gate(limits.namespace):
            await self._entrance.review(gate, stored.headers)

    async def _ways(self, task: TaskSubmitted) -> tuple[Gate, ...]:
        return gates.gates_of(task, await self._namespaces.gate(task.namespace))

    async def _settle(self, move: GateMoved, stored: Stored) -> None:
        """Have what follows from a move stored; to repeat it changes nothing."""
        gone: dict[int, TaskFinished] = {}
        for task_id in (*move.admitted, *move.refused):
            end = await self._bus.last(subjects.EVENTS, subjects.task_event(move.namespace, task_id, "finished"))
            history = None if end else self._young.submitted(move.namespace, task_id)
            if history is None:
                known = max(stored.sequence, end.sequence if end else 0)
                history = await self._archive.task(move.namespace, task_id, at_least=known)
            if end and history.finished:
                # It ended while it was let in: nobody else may know that it had a place.
                gone[end.sequence] = history.finished
            elif history.submitted:
                for effect in await self._passed(move, history, history.submitted, stored):
                    await self._voice.say(effect, stored.headers)
        if gone:
            await self._entrance.leave(_gate(move), gone, stored.headers, over=stored.sequence)

    async def _passed(
        self, move: GateMoved, history: TaskHistory, task: TaskSubmitted, stored: Stored
    ) -> Sequence[Effect]:
        if task.task_id in move.refused:
            error = TaskError(cause="budget-exhausted", message=_unpaid(move))
            return (finish(history, task, "failed", stored.time, error),)
        behind = gates.behind(await self._ways(task), move.kind)
        if behind and core.may_begin(history):
            await self._entrance.enter(behind[0], task, stored.headers)
            return ()
        return core.begin(history)


def _gate(move: GateMoved) -> Gate:
    limit = gates.Limit(places=move.places, max_cost_usd=move.max_cost_usd, period=move.period)
    return Gate(namespace=move.namespace, kind=move.kind, name=move.gate, limit=limit)


def _unpaid(move: GateMoved) -> str:
    whose = "its job" if move.kind == "job" else f"namespace {move.namespace}"
    return f"what {whose} may cost, {move.max_cost_usd or 0:g} USD, does not suffice: {move.spent_usd:g} USD are spent"
