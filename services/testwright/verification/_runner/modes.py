"""The kinds of run: each test apart, all together, mutants, only the import."""

import contextlib
import gc
import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .channel import Channel, Say, one_line
from .forks import shield, withhold
from .judge import listen, listen_apart
from .plan import Plan

if TYPE_CHECKING:
    from .metering import Meter


def main() -> None:
    """Do what the plan on standard input says."""
    plan = Plan.decode(sys.stdin.buffer.read())
    shield()
    say = _report_channel(plan.token).say
    _prepare(plan)
    say("prepared", python=platform.python_version())
    clash = _clash(plan)
    if clash:
        say("clashed", reason=clash)
        say("ended")
        return
    _travel(plan)
    run: dict[str, Callable[[Plan, Say], bool]] = {
        "apart": apart,
        "together": together,
        "mutate": mutate,
        "import": import_target,
    }
    if run[plan.mode](plan, say):
        say("ended")


def _report_channel(token: str) -> Channel:
    """Take the standard output for ourselves; whatever else is written there goes nowhere."""
    channel = Channel(report := os.dup(1), token)
    withhold(report)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return channel


def _prepare(plan: Plan) -> None:
    """Import pytest before the project can be seen, so that no module of the project stands in for one of its parts."""
    sys.path.insert(0, plan.overlay)
    # What is loaded here stays: nobody need look for garbage in it, neither now nor in a child.
    gc.disable()
    for name in ("pytest", "_pytest.unittest", "_pytest.assertion.rewrite", "coverage"):
        importlib.import_module(name)
    for name in importlib.import_module("_pytest.config").default_plugins:
        importlib.import_module(f"_pytest.{name}")
    gc.freeze()
    gc.enable()
    sys.dont_write_bytecode = True
    # The answer is kept. A child that asks first where a test has filled that folder gets the working folder instead.
    tempfile.gettempdir()


def _clash(plan: Plan) -> str:
    """Return why the target cannot be imported under its name: something that tests run with has it already."""
    name = plan.module.partition(".")[0]
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None) or ""
    # What the environment loads at its start may be the project itself, or a namespace that it has a part in.
    own = file.startswith(tuple(plan.paths)) or (not file and hasattr(loaded, "__path__"))
    if loaded is None or own:
        return ""
    standard = "a module of Python's standard library" if name in sys.stdlib_module_names else "a package"
    return f"{name} is also the name of {standard} that the test runner itself uses"


def _travel(plan: Plan) -> None:
    """Set the clock and the calendar of this process ahead; what measures durations goes on as it was."""
    if not plan.later_s:
        return
    sys.path.insert(0, plan.clock)
    travel = importlib.import_module("time_machine").travel
    sys.path.remove(plan.clock)
    travel(time.time() + plan.later_s, tick=True).start()


def enter(plan: Plan) -> None:
    """Let this process, a child of the judge, see the project."""
    sys.path[:0] = plan.paths
    os.environ["PYTHONPATH"] = os.pathsep.join(plan.paths)


def apart(plan: Plan, say: Say) -> bool:
    """Collect each file in a child, then run each test in a fork of that."""
    listen_apart(plan, say, _apart)
    return True


def together(plan: Plan, say: Say) -> bool:
    """Run all tests in one child; if the plan says so, measured."""
    return measure(plan, say) if plan.measure else _all(plan, say)


def _all(plan: Plan, say: Say) -> bool:
    heard = listen(plan, say, _together)
    if heard.hung:
        say("overdue")
    return heard.ended


def measure(plan: Plan, say: Say) -> bool:
    """Run all tests in one child, and measure them: those of several files again, in a child for each file.

    So what a file says of coverage concerns its own tests only. What importing the target runs is measured where
    nothing else is imported.
    """
    from .metering import Union  # noqa: PLC0415  coverage is importable only now

    union = Union(plan.path)

    def about(file: str, others: Say) -> Say:
        def tell(type_: str, **fields: Any) -> None:
            if type_ != "covered":
                others(type_, **fields)
            elif union.add(fields.get("arcs")):
                say(type_, file=file, **fields)

        return tell

    several = len(plan.files) > 1
    ended = _all(replace(plan, measure=False), say) if several else _all(plan, about("".join(plan.files), say))
    if not ended:
        return False
    for file in plan.files if several else ():
        cases = [case for case in plan.cases or [] if case.partition("::")[0] == file]
        listen(replace(plan, files=[file], cases=cases), about(file, _nothing), _together)
    listen(replace(plan, files=[], cases=[]), about("", _nothing), _import_measured)
    union.tell(say)
    return True


def _nothing(type_: str, **fields: Any) -> None:
    """Say nothing."""


def _apart(plan: Plan, say: Say) -> None:
    from . import sessions  # noqa: PLC0415  pytest is importable only now
    from .recorder import Recorder  # noqa: PLC0415  as above

    enter(plan)
    sessions.run(plan, Recorder(plan, say, lambda _: None, apart=hasattr(os, "fork")))


def _together(plan: Plan, say: Say) -> None:
    from . import sessions  # noqa: PLC0415  pytest is importable only now
    from .recorder import Recorder  # noqa: PLC0415  as above

    enter(plan)
    if not plan.measure:
        sessions.run(plan, Recorder(plan, say, lambda _: None, apart=False))
        return
    meter = _meter(plan)
    with meter.running():
        sessions.run(plan, Recorder(plan, say, meter.begin, apart=False))
    meter.tell(say)


def _import_measured(plan: Plan, say: Say) -> None:
    enter(plan)
    meter = _meter(plan)
    with meter.running(), contextlib.suppress(BaseException):
        importlib.import_module(plan.module)
    meter.tell(say)


def _meter(plan: Plan) -> "Meter":
    from .metering import Meter  # noqa: PLC0415  coverage is importable only now

    return Meter(plan.path)


def mutate(plan: Plan, say: Say) -> bool:
    """Score mutants, where this platform can fork."""
    if not hasattr(os, "fork"):
        say("unscored", reason="mutants need a platform that can fork")
        return True
    from .server import score  # noqa: PLC0415  pytest is importable only now

    score(plan, say)
    return True


def import_target(plan: Plan, say: Say) -> bool:
    """Import the target in a child and say whether that works."""
    heard = listen(plan, say, _import)
    if heard.hung:
        say("imported", reason="it is not done in time")
    return True


def _import(plan: Plan, say: Say) -> None:
    enter(plan)
    reason = "the process ended"
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: say("imported", reason=reason))
        try:
            importlib.import_module(plan.module)
            reason = ""
        except BaseException as error:  # noqa: BLE001  a module may raise anything, SystemExit too
            reason = one_line(f"{type(error).__name__}: {error}")
