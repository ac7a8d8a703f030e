"""The options that say how a submission stands to others, and when it is made."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from testwright import timetable as timetables
from testwright.cli import duration
from testwright.cli.options import seconds
from testwright.snapshots.bundle import Bundle, bundle
from testwright.snapshots.changes import only_changed
from testwright_schemas import MAX_TASKS, Timetable

ChangedSince = Annotated[
    str | None,
    typer.Option(
        "--changed-since",
        metavar="REV",
        help="Only modules that differ from this git revision, committed or not.",
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Do the work, even where the same was done already or is being done.")
]
Supersede = Annotated[
    bool, typer.Option("--supersede", help="Cancel older tasks about the same modules of the project.")
]
TasksAtATime = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=MAX_TASKS, metavar="N", help="Tasks of this job at a time. [no limit]"),
]
ConcurrencyKey = Annotated[
    str | None,
    typer.Option(
        "--concurrency-key", metavar="KEY", help="Have --concurrency count the tasks of all jobs with the same key."
    ),
]
MaxJobCost = Annotated[
    float | None,
    typer.Option("--max-job-cost", min=0, metavar="USD", help="What all tasks of this job may cost together."),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Submit later: 2026-12-24T06:30, 06:30, or 'in 10m'; by the local clock."
    ),
]
Every = Annotated[
    float | None,
    typer.Option("--every", parser=seconds, metavar="TIME", help="Submit again and again, e.g. every 12h."),
]
Cron = Annotated[
    str | None, typer.Option("--cron", metavar="EXPR", help="Submit by a cron expression, e.g. '30 6 * * 1-5'.")
]
TimeZone = Annotated[
    str | None,
    typer.Option("--time-zone", metavar="ZONE", help="Zone that --cron is meant in, e.g. Europe/Warsaw. [UTC]"),
]


def gathered(paths: list[Path], changed_since: str | None) -> Bundle:
    """Return the project of these paths with the modules that are meant; none where nothing has changed.

    Raises:
        SnapshotError: the files cannot be bundled, or git cannot say what has changed.
    """
    bundled = bundle(paths)
    return bundled if changed_since is None else only_changed(bundled, changed_since)


def timetable(
    at: str | None, every: float | None, cron: str | None, time_zone: str | None, now: datetime
) -> Timetable | None:
    """Return when a submission is to be made, ``None`` for at once.

    Args:
        at: the option ``--at``.
        every: the option ``--every``, in seconds.
        cron: the option ``--cron``.
        time_zone: the option ``--time-zone``.
        now: time of day, in the zone that ``--at`` is meant in.

    Raises:
        typer.BadParameter: they contradict each other, or one cannot be used.
    """
    if time_zone is not None and cron is None:
        raise typer.BadParameter("--time-zone is about --cron: give both")
    if at is None and every is None and cron is None:
        return None
    if sum(value is not None for value in (at, every, cron)) > 1:
        raise typer.BadParameter("give one of --at, --every and --cron")
    if every is not None and every < timetables.MIN_EVERY_S:
        raise typer.BadParameter(f"--every must be at least {timetables.MIN_EVERY_S:g} s")
    wanted = Timetable(
        at=moment(at, now) if at is not None else None, every_s=every, cron=cron, time_zone=time_zone or "UTC"
    )
    if fault := timetables.fault(wanted):
        raise typer.BadParameter(fault[1])
    return wanted


def moment(text: str, now: datetime) -> datetime:
    """Return a time as people write it: ISO 8601, ``HH:MM`` for the next such time, or ``in 10m``.

    Raises:
        typer.BadParameter: it is none of these, or has passed.
    """
    words = text.strip()
    try:
        if words.startswith("in "):
            return now + timedelta(seconds=duration.parse(words.removeprefix("in ")))
        if len(words) <= len("06:30") and ":" in words:
            clock = datetime.strptime(words, "%H:%M").replace(tzinfo=now.tzinfo)
            today = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            return today if today > now else today + timedelta(days=1)
        found = datetime.fromisoformat(words)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-12-24T06:30, 06:30 or 'in 10m'") from error
    found = found if found.tzinfo else found.replace(tzinfo=now.tzinfo)
    if found <= now:
        raise typer.BadParameter(f"{text!r} has passed")
    return found
