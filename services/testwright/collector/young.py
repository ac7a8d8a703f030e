"""Tasks in their first attempt, as one collector has seen them: what is known need not be looked up. Pure.

A task is young from its submission until anything is heard of it but a candidate of its first attempt and the verdicts
on that. Another collector may have heard more. What then follows here from too little does no harm: generators and
verifiers publish on condition, a task ends once, its end is counted on condition, and besides first verdicts there are
no better ones to be forgotten.
"""

from collections import OrderedDict

from testwright.bus import Stored
from testwright.history import JobHistory, TaskHistory, fold
from testwright_schemas import (
    Attempt,
    JobSubmitted,
    MessageDeadLettered,
    SuiteGenerated,
    SuiteVerified,
    TaskFinished,
    TaskMessage,
    TaskSubmitted,
    TimerFired,
)

MOST = 10_000
"""Tasks that are remembered; what came first is forgotten first, and looked up."""

Known = list[tuple[int, TaskMessage]]

_Told = TaskMessage | MessageDeadLettered | TimerFired


class Young:
    """The young tasks of one collector."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()

    def history(self, message: _Told, task_id: str, stored: Stored) -> TaskHistory | None:
        """Return the history of a task, what is told of it now included; ``None`` where it must be looked up.

        Args:
            message: what is told of the task.
            task_id: of the task.
            stored: the message as it was delivered.
        """
        task = message.namespace, task_id
        known: Known = self._known.pop(task, [])
        if stored.deliveries != 1:
            return None
        match message, len(known):
            case TaskSubmitted() as event, _:
                events: Known = [(stored.sequence, event)]
            case SuiteGenerated(attempt=Attempt(number=1)) as event, 1:
                events = [*known, (stored.sequence, event)]
            case SuiteVerified(attempt=Attempt(number=1)) as event, 2:
                events = [*known, (stored.sequence, event)]
            case _:
                return None
        self._known[task] = events
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return fold(events)

    def submitted(self, namespace: str, task_id: str) -> TaskHistory | None:
        """Return the history of a task of which only its submission was heard, ``None`` where it must be looked up."""
        match self._known.get((namespace, task_id)):
            case [(_, TaskSubmitted(joined_to=None))] as events:
                return fold(events)
            case _:
                return None

    def job(self, end: TaskFinished, stored: Stored) -> JobHistory | None:
        """Return the history of the job of a task that has ended; ``None`` where it must be looked up.

        That of a job with one task is known: nobody has counted before.
        """
        known = self._known.pop((end.namespace, end.task_id), None)
        match known:
            case [(_, TaskSubmitted(alone=True) as task), *_] if stored.deliveries == 1:
                return JobHistory(
                    submitted=JobSubmitted(
                        namespace=task.namespace,
                        job_id=task.job_id,
                        task_ids=(task.task_id,),
                        created_at=task.created_at,
                        concurrency=task.concurrency,
                        max_cost_usd=task.job_cost_usd,
                        concurrency_key=task.concurrency_key,
                    )
                )
            case _:
                return None
