"""Stops work on tasks that have ended elsewhere: cancelled, past their deadline, or done by someone else."""

import math
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskStatus

from testwright.bus import Bus
from testwright_schemas import subjects

MOST_ENDED = 10_000
"""Ended tasks that a worker remembers."""


class Endings:
    """One feed of ``finished`` events for a whole worker, and the scopes of what it is working on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        # By the subject that tells of the end: it need not be taken apart.
        self._running: dict[str, set[anyio.CancelScope]] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._heard_from = math.inf

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Cancel what runs for a task as soon as that task has ended; reports started when the feed stands."""
        async with self._bus.feed(subjects.EVENTS, [subjects.task_event(kind="finished")]) as events:
            task_status.started()
            async for event in events:
                self._remember(event.subject, event.sequence)
                for scope in self._running.get(event.subject, ()):
                    scope.cancel()

    def open(self, namespace: str, task_id: str, *, since: int) -> bool:
        """Return whether a task has certainly not ended, as far as was heard, after the event with sequence ``since``.

        The feed may be a moment behind: then ``watch`` ends the work as soon as it is not.
        """
        return since > self._heard_from and _end_of(namespace, task_id) not in self._ended

    def _remember(self, ended: str, sequence: int) -> None:
        self._heard_from = min(self._heard_from, sequence)
        self._ended[ended] = sequence
        if len(self._ended) > MOST_ENDED:
            _, self._heard_from = self._ended.popitem(last=False)

    @contextmanager
    def watch(self, namespace: str, task_id: str) -> Generator[anyio.CancelScope]:
        """Run the body until the task ends; ``cancelled_caught`` of the scope says whether it did.

        Enter this before looking whether the task has ended already, so that no end falls between.
        """
        task = _end_of(namespace, task_id)
        with anyio.CancelScope() as scope:
            self._running.setdefault(task, set()).add(scope)
            try:
                yield scope
            finally:
                self._running[task].discard(scope)
                if not self._running[task]:
                    del self._running[task]


def _end_of(namespace: str, task_id: str) -> str:
    return subjects.task_event(namespace, task_id, "finished")
