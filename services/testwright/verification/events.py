"""The only place that understands what the runner in the sandbox says. Pure."""

from typing import Literal

import msgspec

from testwright_schemas import envelope, kebab

OutcomeName = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "hung", "died"]
FailureKind = Literal["", "assertion", "crash", "error"]
Fate = Literal["killed", "survived", "timeout", "invalid"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=kebab, tag_field="type"):
    """One line of a run's report."""


class Prepared(Event, frozen=True, kw_only=True):
    """The runner stands: pytest is imported; ``python`` is the interpreter's full version."""

    python: str


class Clashed(Event, frozen=True, kw_only=True):
    """The target cannot be told from what tests run with, whose name it has."""

    reason: str


class Collecting(Event, frozen=True, kw_only=True):
    """A test file is imported next."""

    file: str


class Uncollected(Event, frozen=True, kw_only=True):
    """A test file, or a class in it, could not be read by pytest."""

    file: str
    reason: str


class Collected(Event, frozen=True, kw_only=True):
    """Some of the tests that pytest found."""

    cases: list[str]


class Started(Event, frozen=True, kw_only=True):
    """A test begins."""

    case: str


class Finished(Event, frozen=True, kw_only=True):
    """A test, with one set of its parameters, ended.

    ``kind`` tells a test's own failed ``assertion`` from a ``crash`` in the target and any other ``error``; ``detail``
    is the end of what pytest has to say of a failure; ``touched`` is what the test did outside its own folders.
    """

    case: str
    outcome: OutcomeName
    kind: FailureKind = ""
    reason: str = ""
    detail: str = ""
    touched: tuple[str, ...] = ()


class Overdue(Event, frozen=True, kw_only=True):
    """The run was ended because what it was doing last took too long."""


class Hollow(Event, frozen=True, kw_only=True):
    """Tests that pass even where the target is empty, or where every function that they call raises."""

    cases: list[str]


class Measured(Event, frozen=True, kw_only=True):
    """Coverage of the target by the whole run, as coverage.py counts it."""

    statements: int
    covered_statements: int
    branches: int
    covered_branches: int
    missing_lines: list[int]
    missing_branches: list[tuple[int, int]]
    executed_lines: list[int] = []


class Covered(Event, frozen=True, kw_only=True):
    """Lines and arcs of the target that ran during one test of a file.

    ``case`` is empty for what ran when the file was imported, ``file`` too for what ran when only the target was.
    """

    case: str
    lines: list[int]
    arcs: list[tuple[int, int]]
    file: str = ""


class Mutants(Event, frozen=True, kw_only=True):
    """How many mutants there are on lines that the tests run."""

    total: int


class Mutant(Event, frozen=True, kw_only=True):
    """What became of a mutant; ``by`` is the test that noticed it, empty where the file no longer imported.

    ``number`` is its place in the tree, from 1; ``before`` and ``after`` are the statement or header that it changes.
    """

    line: int
    operator: str
    fate: Fate
    by: str
    text: str
    number: int = 0
    before: str = ""
    after: str = ""


class Unscored(Event, frozen=True, kw_only=True):
    """Mutants could not be scored at all."""

    reason: str


class Imported(Event, frozen=True, kw_only=True):
    """The target was imported, or not: then ``reason`` says why."""

    reason: str


class Ended(Event, frozen=True, kw_only=True):
    """The run came to its own end."""


AnyEvent = (
    Prepared
    | Clashed
    | Collecting
    | Uncollected
    | Collected
    | Started
    | Finished
    | Overdue
    | Hollow
    | Measured
    | Covered
    | Mutants
    | Mutant
    | Unscored
    | Imported
    | Ended
)

_DECODER = envelope.Decoder[AnyEvent](AnyEvent)


def decode(line: str, token: str) -> AnyEvent | None:
    """Return the event in a line, ``None`` where it is not one of ours."""
    head, _, body = line.partition(" ")
    if head != token:
        return None
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
