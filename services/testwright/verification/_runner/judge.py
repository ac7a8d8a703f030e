"""The only place that decides what of judged code's own word is passed on.

The process that reports to the host imports neither the target nor a test: that happens in children. What a child says
goes on only where it speaks of its own files and tests, and in a form that the host knows; its limits, and how it ended
where it did not say so, are this process's own observation.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from .channel import Channel, Say
from .forks import Fork, finished, fork
from .plan import Plan

Work = Callable[[Plan, Say], None]
"""Runs judged code, and says how it goes."""

GRACE_S = 2.0
"""Between a test's limit, at which it is asked where it hangs, and its end."""

_FIELDS: dict[str, tuple[str, ...]] = {
    "collecting": ("file",),
    "uncollected": ("file", "reason"),
    "collected": ("cases",),
    "started": ("case",),
    "finished": ("case", "outcome", "kind", "reason", "detail", "touched"),
    "covered": ("case", "lines", "arcs"),
    "imported": ("reason",),
    "ended": (),
}


@dataclass
class Hearing:
    """What a child said.

    Attributes:
        plan: what it was told.
        say: where that goes which is believed.
        ended: whether it came to its own end.
        hung: whether it was ended at a limit.
        status: how it ended, negative for a signal.
        file: that it began to import last.
        case: that it began last and has not finished.
        finished: tests that it finished, as often as it did.
    """

    plan: Plan
    say: Say
    ended: bool = False
    hung: bool = False
    status: int = 0
    file: str = ""
    case: str = ""
    finished: list[str] = field(default_factory=list[str])

    def take(self, line: bytes) -> float | None:
        """Pass a line on if it may be believed; return how long its process may now take, ``None`` for as before."""
        event = decoded(line)
        if event is None or not self._may_say(event):
            return None
        if event["type"] == "ended":
            self.ended = True
            return None
        fields = {name: event[name] for name in _FIELDS[event["type"]] if name in event}
        self.say(event["type"], **fields)
        return self._note(event)

    def _may_say(self, event: dict[str, Any]) -> bool:
        match event:
            case {"type": "collecting" | "uncollected", "file": str(file)}:
                return file.partition("::")[0] in self.plan.files
            case {"type": "collected"}:
                return all(case.partition("::")[0] in self.plan.files for case in strings(event.get("cases")))
            case {"type": "started", "case": str(case)}:
                return not self.case and case in (self.plan.cases or [])
            case {"type": "finished", "case": str(case)}:
                return case == self.case != ""
            case {"type": "covered", "case": str(case)}:
                return self.plan.measure and (case == "" or case in (self.plan.cases or []))
            case {"type": "imported"}:
                return self.plan.mode == "import"
            case _:
                return bool(event["type"] == "ended")

    def _note(self, event: dict[str, Any]) -> float | None:
        match event["type"]:
            case "collecting":
                self.file, self.case = event["file"], ""
                return self.plan.collect_limit_s
            case "started":
                self.case = event["case"]
                return self.plan.case_limit_s
            case "finished":
                self.finished.append(self.case)
                self.case = ""
                return self.plan.collect_limit_s
            case _:
                return None


def decoded(line: bytes) -> dict[str, Any] | None:
    """Return the event in a line, ``None`` where it is none; judged code may have written anything."""
    try:
        event: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", event) if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def strings(value: Any) -> list[str]:
    """Return the members of what ought to be a list of strings."""
    return [str(member) for member in cast("Iterable[Any]", value)] if isinstance(value, list) else []


def listen(plan: Plan, say: Say, work: Work) -> Hearing:
    """Do ``work`` in a child and pass on what it may say, until it ends or is at a limit."""
    hearing = Hearing(plan, say)
    if not hasattr(os, "fork"):
        work(plan, say)
        return replace(hearing, ended=True)

    def speak(fd: int) -> None:
        own = Channel(fd, "").say
        work(plan, own)
        own("ended")

    child = fork(speak, plan.collect_limit_s + GRACE_S)
    while not (hearing.ended or child.hung or child.silent):
        finished([child], _has_line)
        _take(child, hearing)
    hearing.status = child.end()
    hearing.hung = child.hung and not hearing.ended
    return hearing


def _has_line(child: Fork) -> bool:
    return b"\n" in child.heard


def _take(child: Fork, hearing: Hearing) -> None:
    for line in child.take():
        limit_s = hearing.take(line)
        if limit_s is not None:
            child.deadline = time.monotonic() + limit_s + GRACE_S


def listen_apart(plan: Plan, say: Say, work: Work) -> None:
    """Listen to a child for each file, again without a test that has ended it; what is lost is said to be."""
    cases: list[str] = [] if plan.cases is None else plan.cases
    for file in plan.files:
        left: list[str] = [case for case in cases if case.partition("::")[0] == file]
        while left:
            heard = listen(replace(plan, files=[file], cases=left), say, work)
            if heard.ended:
                break
            lost: list[str] = [heard.case] if heard.case else left
            reason = "" if heard.case else f"importing {file} "
            reason += "is not done in time" if heard.hung else f"ends the process ({_how(heard.status)})"
            for case in lost:
                if case not in heard.finished:
                    say("started", case=case)
                    say("finished", case=case, outcome="hung" if heard.hung else "died", reason=reason)
            left = [case for case in left if case not in lost and case not in heard.finished]


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
