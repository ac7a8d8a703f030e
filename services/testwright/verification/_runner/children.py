"""The only place that runs tests where the target may be other code: each time in a child, and reads what that says."""

import os
import sys
from dataclasses import dataclass, replace
from types import CodeType

from .channel import Channel
from .forks import Fork, finished, fork
from .hook import install
from .judge import decoded, strings
from .modes import enter
from .plan import Plan
from .recorder import Recorder
from .sessions import Waiting

_END = b'"type": "ended"'


class Children:
    """Starts children of this process, each with all that pytest needs.

    Attributes:
        plan: of all of them.
        direct: whether tests that take nothing from pytest are called without it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.direct = True
        self._waiting = Waiting(plan)

    def start(
        self, code: CodeType | None, limit_s: float, *, cases: list[str] | None = None, stop: bool = True
    ) -> Fork:
        """Begin to run tests where the target is ``code``, or itself; all of them where ``cases`` are not named.

        ``stop`` ends that at the first failure.
        """
        plan = self.plan
        if cases is not None:
            plan = replace(plan, cases=cases, files=sorted({case.partition("::")[0] for case in cases}))
        return fork(lambda fd: self._work(plan, code, fd, stop=stop), limit_s)

    def run(self, code: CodeType | None, limit_s: float, *, stop: bool = True) -> Fork:
        """Run all tests, as ``start`` does, to the end."""
        child = self.start(code, limit_s, stop=stop)
        finished([child], said_all)
        child.end()
        return child

    def _work(self, plan: Plan, code: CodeType | None, fd: int, *, stop: bool) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        enter(plan)
        channel = Channel(fd, "")
        if code is not None:
            install(plan.module, plan.path, code)
        before = set(sys.modules)
        recorder = Recorder(plan, channel.say, lambda _: None, apart=False, direct=self.direct)
        self._waiting.go_on(plan, recorder, stop=stop)
        if code is None:
            new = set(sys.modules) - before
            channel.say("libraries", names=_libraries(plan, new), sources=_sources(plan, new))
        channel.say("ended")


def said_all(each: Fork) -> bool:
    """Return whether a child is done."""
    return _END in each.heard


@dataclass(frozen=True)
class Outcome:
    """What a child said; ``detail`` is why, in words, ``killer`` the first test that noticed something."""

    survived: bool
    killer: str
    detail: str
    libraries: list[str]
    sources: list[str]

    @classmethod
    def of(cls, child: Fork) -> "Outcome":
        """Read what a child said: it survived only if every test reported that it passed."""
        last, killer, detail, ended = "", "", "", False
        libraries, sources = list[str](), list[str]()
        for event in filter(None, map(decoded, child.lines())):
            match event:
                case {"type": "started", "case": str(case)}:
                    last = case
                case {"type": "finished", "case": str(case), "outcome": str(outcome)} if outcome != "passed":
                    killer, detail = case, str(event.get("reason"))
                case {"type": "uncollected"}:
                    detail = str(event.get("reason"))
                case {"type": "libraries"}:
                    libraries, sources = strings(event.get("names")), strings(event.get("sources"))
                case {"type": "ended"}:
                    ended = True
                case _:
                    pass
        survived = ended and not killer and not detail and last != ""
        return cls(survived, killer if ended else last, detail, libraries, sources)


def _libraries(plan: Plan, names: set[str]) -> list[str]:
    """Return the modules that belong neither to the project nor to the suite."""
    result: list[str] = []
    for name in sorted(names):
        file = getattr(sys.modules.get(name), "__file__", None)
        ours = name.partition(".")[0] == plan.module.partition(".")[0]
        if file and not ours and not file.startswith((plan.suite, *plan.paths)):
            result.append(name)
    return result


def _sources(plan: Plan, names: set[str]) -> list[str]:
    """Return the files of the project's modules."""
    files = (getattr(sys.modules.get(name), "__file__", None) or "" for name in sorted(names))
    return [file for file in files if file.endswith(".py") and file.startswith(tuple(plan.paths))]
