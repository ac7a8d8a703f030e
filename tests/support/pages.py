"""The live page of a gateway on a bus in memory, and what happens there by a test's word."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

from msgspec.structs import replace
from playwright.async_api import Browser, expect

from tests.support import tasks
from tests.support.browser import Watched, opened
from tests.support.gateways import TOKEN, Site
from testwright import clock
from testwright.bus import Bus
from testwright_schemas import (
    Artifact,
    EventMessage,
    JobScheduled,
    LanePaused,
    MessageDeadLettered,
    SubmitJob,
    TaskSpec,
    TaskSubmitted,
    Timetable,
    envelope,
    subjects,
)

IDS: dict[str, Any] = {**tasks.IDS}


@asynccontextmanager
async def visited(
    browser: Browser, site: Site, place: str = "tasks", scheme: Literal["light", "dark"] = "light"
) -> AsyncGenerator[Watched]:
    async with opened(browser, f"{site.place.url}#token={TOKEN}", scheme) as watched:
        await expect(watched.page.locator("#link")).to_have_text("live")
        await watched.page.evaluate(f"location.hash = '#/{place}'")
        yield watched


async def say(bus: Bus, *events: EventMessage) -> None:
    for event in events:
        await bus.publish(subjects.event(event), envelope.encode(event), message_id=uuid4().hex)


def of(event: Any, task_id: str = "task-1", **changes: Any) -> Any:
    return replace(event, namespace="default", task_id=task_id, **changes)


def submitted(number: int, module: str) -> TaskSubmitted:
    event = tasks.submitted()
    target = replace(event.target, module=module)
    made: TaskSubmitted = of(
        event, f"task-{number:05}", target=target, created_at=event.created_at + timedelta(seconds=number)
    )
    return made


async def stored(bus: Bus, name: str, content: bytes) -> Artifact:
    digest = await bus.put(subjects.ARTIFACTS, "default", content)
    return Artifact(name=name, digest=digest, size=len(content))


def waiting(words: str, pause: timedelta) -> list[EventMessage]:
    """Return a lane that rests, a schedule and a dead letter; what they say is ``words``."""
    event = tasks.submitted()
    target = replace(event.target, module=words)
    job = SubmitJob(
        namespace="default",
        job_id="job-9",
        tasks=(TaskSpec(task_id="task-9", target=target),),
        snapshot=event.snapshot,
        policy=event.policy,
        submitted_at=tasks.NOW,
    )
    now = clock.now()
    often = Timetable(every_s=60)
    return [
        LanePaused(namespace="default", lane="openhands", until=now + pause, reason=words),
        JobScheduled(
            namespace="default",
            schedule_id="schedule-1",
            submission=job,
            timetable=often,
            created_at=now,
            until=now + timedelta(days=29),
        ),
        MessageDeadLettered(
            namespace="default",
            letter_id="letter-1",
            stream=subjects.WORK,
            subject=words,
            sequence=1,
            consumer="verify-normal",
            reason=words,
            deliveries=5,
            data=b"?",
            task_id="task-00001",
        ),
    ]
