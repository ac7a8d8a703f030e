"""Engines: whatever can write candidate tests, behind one small protocol.

A third party adds one by a class and a line under the entry-point group ``testwright.engines``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from testwright.environments import Environment, Environments
from testwright.sandbox import Sandbox
from testwright_schemas import Brief, Isolation, Note, Policy, Target, Usage


class Progress(Protocol):
    """Where an engine says what it is doing; calls are cheap, the caller thins them out."""

    async def __call__(self, message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        """Report: one line for people, tests so far, coverage in percent so far."""
        ...


class Notes(Protocol):
    """Where an engine leaves what it has paid for, for the attempt that takes its place should the worker die.

    There are notes of attempts at the same work only: where one has failed, or another round is asked for, that begins
    without. They are taken away when the attempt is concluded.
    """

    @property
    def before(self) -> Sequence[Note]:
        """What attempts before this one have left, oldest first; what they have used is counted without the engine."""
        ...

    def add(self, note: Note) -> None:
        """Leave a note; returns at once. It is stored soon, if it can be, and dropped where there are too many."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an engine gets: everything is prepared, nothing must be looked up.

    Attributes:
        target: the module.
        root: the unpacked snapshot; the engine may write there, nobody reads it afterwards.
        scratch: an empty folder of its own.
        environment: an interpreter with what the module needs.
        policy: budget, seed, ...
        sandbox: the only way to run anything.
        environments: builds the engine's own environment.
        brief: what earlier rounds of the task have left to do, ``None`` in the first one.
        notes: of attempts at the same work; ``None`` where none are kept.
    """

    target: Target
    root: Path
    scratch: Path
    environment: Environment
    policy: Policy
    sandbox: Sandbox
    environments: Environments
    brief: Brief | None = None
    notes: Notes | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an engine delivers: test files by relative name (``test_….py``), not yet believed.

    ``requirements`` are packages (pinned requirement lines) that the tests need besides pytest.
    """

    files: Mapping[str, bytes]
    requirements: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    log: bytes = b""
    isolation: Isolation = "none"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Whether an engine can run here: ``detail`` says what was found, ``remedy`` what to do where it cannot."""

    available: bool
    detail: str
    remedy: str | None = None


class Engine(Protocol):
    """A writer of candidate tests. ``rounds`` says whether it makes more of a second call that has a brief.

    ``charges`` says whether its work may cost money: then it heeds ``max_cost_usd`` and ``max_tokens`` of the policy.

    Cancelling ``generate`` ends everything it started. What it raises as ``EngineError`` fails the attempt with that
    cause; an empty candidate counts as ``EngineError("nothing-generated")``.
    """

    name: str
    summary: str
    needs_environment: bool
    rounds: bool = False
    charges: bool = True

    def status(self) -> EngineStatus:
        """Say whether it can run here, without starting anything slow."""
        ...

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Write candidate tests within the policy's budget.

        Raises:
            EngineError: it failed or has nothing to deliver.
        """
        ...


@runtime_checkable
class Installable(Protocol):
    """An engine that can fetch what is its own ahead of the first attempt: ``testwright engines install NAME``."""

    async def install(self, environments: Environments) -> Environment:
        """Build its own environment, or one like those it builds for each project, so that nothing is left to download.

        Raises:
            EnvironmentBuildError: it cannot be built.
        """
        ...
