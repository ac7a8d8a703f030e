"""The fork server of mutants: pytest and the libraries are imported once, the target only in a child.

So code that runs on import is mutated for real, and one mutant costs a fork and a collection instead of an interpreter.
"""

import ast
import contextlib
import gc
import importlib
import random
import time
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from . import compiled, wreck
from .channel import Say
from .children import Children, Outcome, said_all
from .diffs import Diffs
from .forks import Fork, finished
from .judge import decoded
from .mutants import Mutant, compile_mutant, mutants, statement_lines
from .plan import Plan
from .recorder import CHUNK

LEAST_LIMIT_S = 2.0
SLOWER = 5
"""A mutant may take so many times as long as the unmutated run, and a second."""


@dataclass(frozen=True, eq=False)
class Job:
    """A mutant and the tests that can notice it, in order."""

    number: int
    mutant: Mutant
    cases: list[str]


def score(plan: Plan, say: Say) -> None:
    """Run the planned tests on mutants until all are judged or the budget is spent; report each."""
    source = Path(plan.path).read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        say("unscored", reason=f"the target does not parse: {error}")
        return
    jobs = _jobs(plan, tree)
    say("mutants", total=len(jobs))
    chosen = jobs[: plan.max_mutants]
    children = Children(plan)
    limit_s = _baseline(children, say, tree) if chosen else 0.0
    if limit_s is not None:
        _Server(children, say, tree, source.splitlines(), limit_s).run(chosen)


def _jobs(plan: Plan, tree: ast.Module) -> list[Job]:
    """Return the mutants on lines that tests run, in a random order, so that any first part is a fair sample."""
    first = statement_lines(tree)
    imported = {first.get(line, line) for line in plan.import_lines}
    runs = {case: {first.get(line, line) for line in lines} for case, lines in plan.lines.items()}
    cases = plan.cases or []
    result: list[Job] = []
    for number, mutant in enumerate(mutants(tree), start=1):
        if plan.only is not None and number not in plan.only:
            continue
        line = first.get(mutant.line, mutant.line)
        by = cases if line in imported else [case for case in cases if line in runs.get(case, ())]
        if by:
            result.append(Job(number, mutant, by))
    random.Random(plan.seed).shuffle(result)  # noqa: S311  a sample, not a secret
    return result


def _baseline(children: Children, say: Say, tree: ast.Module) -> float | None:
    """Return the limit of a mutant in seconds from a run without one; ``None`` where even that fails.

    The first run says which libraries the tests load; this process then loads them too, for all children after it. Of
    the project it only compiles what there is to import.
    """
    compiled.keep()
    plan = children.plan
    limit_s = plan.collect_limit_s + plan.case_limit_s * len(plan.cases or [])
    first = Outcome.of(children.run(None, limit_s))
    for name in first.libraries:
        # A library may refuse to be imported on its own; then the children go on importing it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    compiled.add_tests(f"{plan.suite}/{name}" for name in plan.files)
    compiled.add_modules(file for file in first.sources if file.startswith(tuple(plan.paths)) and file != plan.path)
    # What is here now is here to stay: no child need look at it, and so copy it, to collect garbage.
    gc.freeze()
    started = time.monotonic()
    second = Outcome.of(children.run(None, limit_s))
    if not second.survived:
        # One of them may need more of pytest than shows.
        children.direct = False
        started = time.monotonic()
        second = Outcome.of(children.run(None, limit_s))
    if not second.survived:
        say("unscored", reason=f"the tests fail in a forked process: {second.detail}")
        return None
    took_s = time.monotonic() - started
    if plan.only is None:
        _hollow(children, say, tree, limit_s)
    return max(LEAST_LIMIT_S, SLOWER * took_s + 1)


def _hollow(children: Children, say: Say, tree: ast.Module, limit_s: float) -> None:
    """Say which tests pass even where the target is ruined: they do not test it."""
    plan = children.plan
    imported = set(plan.import_lines)
    bodies = wreck.body_lines(tree, imported)
    hollow = _passing(children, wreck.empty(plan.path), limit_s)
    # A test may be content that names are there; not so one that calls what is behind them.
    calling = {case for case in plan.cases or [] if not bodies.isdisjoint(plan.lines.get(case, []))}
    if calling - hollow:
        hollow |= calling & _passing(children, wreck.raising(tree, plan.path, imported), limit_s)
    cases = sorted(hollow)
    for start in range(0, len(cases), CHUNK):
        say("hollow", cases=cases[start : start + CHUNK])


def _passing(children: Children, code: CodeType, limit_s: float) -> set[str]:
    """Return the tests that pass, and only pass, where the target is other code."""
    child = children.run(code, limit_s, stop=False)
    events = [event for event in map(decoded, child.lines()) if event and event["type"] == "finished"]
    passed = {str(event.get("case")) for event in events if event.get("outcome") == "passed"}
    failed = {str(event.get("case")) for event in events if event.get("outcome") != "passed"}
    return (passed - failed) & set(children.plan.cases or [])


class _Server:
    def __init__(self, children: Children, say: Say, tree: ast.Module, text: list[bytes], limit_s: float) -> None:
        self._children = children
        self._plan = plan = children.plan
        self._say = say
        self._tree = tree
        self._diffs = Diffs(tree)
        self._text = text
        self._limit_s = limit_s
        self._until = time.monotonic() + plan.budget_s
        self._running: dict[Fork, Job] = {}

    def run(self, jobs: list[Job]) -> None:
        """Judge as many as the budget allows, a few at a time."""
        waiting = iter(jobs)
        while True:
            while len(self._running) < self._plan.jobs and time.monotonic() < self._until:
                job = next(waiting, None)
                if job is None:
                    break
                self._start(job)
            if not self._running:
                return
            for child in finished(list(self._running), said_all):
                child.end()
                self._judge(self._running.pop(child), child)

    def _start(self, job: Job) -> None:
        try:
            code = compile_mutant(self._tree, job.mutant, self._plan.path)
        except (SyntaxError, ValueError):
            self._tell(job, "invalid", "", "")
            return
        self._running[self._children.start(code, self._limit_s, cases=job.cases)] = job

    def _judge(self, job: Job, child: Fork) -> None:
        outcome = Outcome.of(child)
        fate = "survived" if outcome.survived else "timeout" if child.hung else "killed"
        text = self._text[job.mutant.line - 1].decode(errors="replace").strip()[:200]
        self._tell(job, fate, outcome.killer, text)

    def _tell(self, job: Job, fate: str, by: str, text: str) -> None:
        before, after = ("", "") if fate == "invalid" else self._diffs.of(job.mutant)
        told = {"number": job.number, "line": job.mutant.line, "operator": job.mutant.operator}
        self._say("mutant", **told, fate=fate, by=by, text=text, before=before, after=after)
