"""Recorded histories: what happened to a task, and what the collector decided at each event.

``python -m tests.golden.recorded`` records them anew, from runs of the simulation, where decisions change on purpose.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.support.plans import of_seed
from tests.support.reports import Report, histories
from tests.support.simulation import run
from testwright.collector import core
from testwright.history import fold
from testwright.voice import TASK_EVENTS
from testwright_schemas import AttemptFailed, AttemptStarted, Effect, TaskFinished, TaskMessage, TaskProgressed

FOLDER = Path(__file__).parent / "histories"
Told = Sequence[tuple[int, TaskMessage]]


def _outcome(told: Told) -> TaskFinished:
    return next(event for _, event in told if isinstance(event, TaskFinished))


def _failures(told: Told) -> int:
    return sum(isinstance(event, AttemptFailed) for _, event in told)


def _lost(told: Told) -> bool:
    started = sum(isinstance(event, AttemptStarted) for _, event in told)
    return started > _outcome(told).rounds + _failures(told) + 1


WANTED: dict[str, Callable[[Told], bool]] = {
    "done-in-one-round": lambda told: _outcome(told).attempts == 1 and _outcome(told).threshold_met,
    "done-in-three-rounds": lambda told: _outcome(told).rounds == 3 and _outcome(told).threshold_met,
    "done-after-two-failures": lambda told: _failures(told) == 2 and _outcome(told).outcome == "completed",
    "failed-everywhere": lambda told: _failures(told) > 2 and _outcome(told).outcome == "failed",
    "cancelled-with-tests": lambda told: _outcome(told).outcome == "cancelled" and bool(_outcome(told).files),
    "workers-lost-on-the-way": _lost,
}
"""What is recorded: the first task of the first run that is one."""


def decisions(stored: Iterable[tuple[int, str, TaskMessage]]) -> list[list[dict[str, Any]]]:
    """Return what the collector decides at each event, with its sequence and time, as things stood then."""
    known: list[tuple[int, TaskMessage]] = []
    made: list[list[dict[str, Any]]] = []
    for sequence, time, event in stored:
        known.append((sequence, event))
        effects: Sequence[Effect] = ()
        if not isinstance(event, AttemptStarted | TaskProgressed):
            effects = core.decide(fold(known), event, datetime.fromisoformat(time))
        made.append([{"effect": type(effect).__name__, **_plain(effect)} for effect in effects])
    return made


def _plain(value: Effect | TaskMessage) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return found


def read(text: str) -> tuple[list[tuple[int, str, TaskMessage]], list[list[dict[str, Any]]]]:
    """Return the events and the decisions of a record."""
    steps = json.loads(text)
    events = [(step["sequence"], step["time"], TASK_EVENTS.decode(json.dumps(step["event"]))) for step in steps]
    return events, [step["decided"] for step in steps]


def write(report: Report, task_id: str) -> str:
    """Return the record of a task."""
    times = {stored.sequence: stored.time.isoformat() for stored in report.events}
    events = [(sequence, times[sequence], event) for sequence, event in histories(report)[task_id]]
    steps = [
        {"sequence": sequence, "time": time, "event": _plain(event), "decided": decided}
        for (sequence, time, event), decided in zip(events, decisions(events), strict=True)
    ]
    return json.dumps(steps, indent=1) + "\n"


def main() -> None:
    """Record anew."""
    logging.disable()
    FOLDER.mkdir(exist_ok=True)
    wanted = dict(WANTED)
    for seed in range(200):
        report = run(of_seed(seed))
        for task_id, told in histories(report).items():
            for name in [name for name, fits in wanted.items() if fits(told)][:1]:
                (FOLDER / f"{name}.json").write_text(write(report, task_id), encoding="utf-8")
                del wanted[name]
        if not wanted:
            return
    raise AssertionError(f"no run has {sorted(wanted)}")


if __name__ == "__main__":
    main()
