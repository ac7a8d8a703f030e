"""What the gateway shows of verifiers, and of what waits, as functions of events."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support import tasks
from tests.unit.test_gateway_core import judging, the_task, the_workers, told
from testwright.gateway import waits
from testwright.gateway.tables import ALL
from testwright.retries import delay_s
from testwright_schemas import (
    EventMessage,
    JobScheduled,
    LanePaused,
    MessageDeadLettered,
    Policy,
    ScheduleCancelled,
    ScheduleFired,
    SubmitJob,
    TaskSpec,
    Timetable,
)


def test_a_verifier_has_the_tasks_whose_candidates_it_judges() -> None:
    board = told(tasks.submitted(), tasks.started(), tasks.generated(), judging("judge"))
    busy = the_workers(board)["judge"]
    assert (busy.role, busy.tasks, busy.engine) == ("verifier", ("task-1",), "echo")
    assert the_task(board).verifier == "judge"

    told(tasks.verified(), board=board)

    assert (the_workers(board)["judge"].tasks, the_task(board).verifier) == ((), None)


@pytest.mark.parametrize("end", [tasks.failed(), tasks.finished("cancelled")])
def test_a_verifier_is_free_when_the_attempt_or_the_task_has_ended(end: EventMessage) -> None:
    board = told(tasks.submitted(), tasks.started(), tasks.generated(), judging("judge"), end)

    assert (the_workers(board)["judge"].tasks, the_task(board).verifier) == ((), None)


def test_a_verifier_whose_candidate_another_one_took_over_is_lost_however_long_it_speaks() -> None:
    begun = (tasks.submitted(), tasks.started(), tasks.generated(), judging("judge-1", for_s=30.0))
    board = told(*begun, judging("judge-2", for_s=1.0), judging("judge-1", for_s=31.0))

    lost, other = the_workers(board)["judge-1"], the_workers(board)["judge-2"]
    assert (lost.lost_to, lost.tasks) == ("judge-2", ())
    assert (other.lost_at, other.tasks) == (None, ("task-1",))


def test_a_process_that_generates_and_verifies_is_two_workers() -> None:
    board = told(tasks.submitted(), tasks.started(worker="both"), tasks.generated(), judging("both"))

    told_of = {row.role: row.tasks for row in board.since(None, (ALL,)).workers}

    assert told_of == {"generator": (), "verifier": ("task-1",)}


def test_who_does_not_say_its_name_is_no_worker() -> None:
    board = told(tasks.submitted(), tasks.started(), tasks.generated(), judging(""))

    assert the_workers(board).keys() == {"worker-1"}


def test_a_failed_attempt_shows_when_it_is_tried_again() -> None:
    board = told(tasks.submitted(), tasks.started(), tasks.failed())
    due = the_task(board).retry_at
    told(tasks.started(tasks.first(2)), board=board)

    wait_s = delay_s(tasks.POLICY.retry, tasks.failed())
    assert wait_s is not None
    assert due == tasks.NOW + timedelta(seconds=wait_s)
    assert the_task(board).retry_at is None
    assert the_task(told(tasks.submitted(), tasks.failed(retryable=False))).retry_at is None


def test_a_task_shows_when_it_ends_at_the_latest() -> None:
    [row] = told(tasks.submitted(Policy(deadline_s=60))).tasks((ALL,))

    assert row.deadline_at == tasks.NOW + timedelta(seconds=60)


def test_a_lane_shows_the_last_word_on_how_long_it_rests() -> None:
    def paused(minutes: int) -> LanePaused:
        until = tasks.NOW + timedelta(minutes=minutes)
        return LanePaused(namespace="default", lane="openhands", until=until, reason="429")

    [lane] = told(paused(1), paused(2)).since(None, (ALL,)).lanes

    assert (lane.name, lane.until, lane.reason) == ("openhands", tasks.NOW + timedelta(minutes=2), "429")


def letter(number: int) -> MessageDeadLettered:
    return MessageDeadLettered(
        namespace="default",
        letter_id=f"letter-{number}",
        stream="S",
        subject="s",
        sequence=number,
        consumer="collector",
        reason="no JSON",
        deliveries=3,
        data=b"?",
    )


def test_the_newest_dead_letters_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MAX_LETTERS", 2)

    shown = told(*map(letter, range(3))).since(None, (ALL,)).letters

    assert [(row.id, row.reason, row.at) for row in shown] == [
        (f"letter-{number}", "no JSON", tasks.NOW) for number in (1, 2)
    ]


def test_a_dead_letter_that_was_sent_again_stays_and_says_so() -> None:
    again = replace(letter(1), resent_at=tasks.NOW + timedelta(hours=1))

    [row] = told(letter(1), again).since(None, (ALL,)).letters

    assert (row.id, row.at, row.resent_at) == ("letter-1", tasks.NOW, tasks.NOW + timedelta(hours=1))


SCHEDULE: dict[str, Any] = {"namespace": "default", "schedule_id": "nightly"}


def scheduled(timetable: Timetable) -> JobScheduled:
    task = tasks.submitted()
    job = SubmitJob(
        namespace="default",
        job_id="job-1",
        tasks=(TaskSpec(task_id="task-1", target=task.target),),
        snapshot=task.snapshot,
        policy=task.policy,
        submitted_at=tasks.NOW,
    )
    return JobScheduled(**SCHEDULE, submission=job, timetable=timetable, created_at=tasks.NOW, until=tasks.NOW)


def test_a_schedule_shows_when_it_is_due_next_and_what_it_made_last() -> None:
    made = scheduled(Timetable(every_s=60))
    due = tasks.NOW + timedelta(seconds=60)
    fired = ScheduleFired(**SCHEDULE, job_id="job-2", due_at=due)
    board = told(made)
    [first] = board.since(None, (ALL,)).schedules
    board.apply(2, due, fired)
    [second] = board.since(None, (ALL,)).schedules
    [ended] = told(ScheduleCancelled(**SCHEDULE), board=board).since(None, (ALL,)).schedules

    assert (first.status.next_at, first.status.modules) == (due, ("shop.pricing",))
    assert (second.status.next_at, second.status.last_job) == (due + timedelta(seconds=60), "job-2")
    assert (ended.status.state, ended.status.next_at) == ("cancelled", None)


def test_a_schedule_in_an_unknown_time_zone_keeps_nothing_else_from_being_shown() -> None:
    change = told(scheduled(Timetable(cron="0 3 * * *", time_zone="Mars/Base")), letter(1)).since(None, (ALL,))

    assert (len(change.schedules), len(change.letters)) == (0, 1)


def test_what_waits_is_of_a_namespace_and_comes_once() -> None:
    pause = LanePaused(namespace="other", lane="openhands", until=tasks.NOW)
    board = told(letter(1), pause, scheduled(Timetable(every_s=60)))

    mine, news = board.since(None, ("default",)), board.since(2, (ALL,))

    assert [len(rows) for rows in (mine.lanes, mine.letters, mine.schedules)] == [0, 1, 1]
    assert [len(rows) for rows in (news.lanes, news.letters, news.schedules)] == [0, 0, 1]
    assert board.since(3, (ALL,)).empty
