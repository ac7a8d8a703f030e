"""The options that become a policy, and the only place that makes one of them."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from testwright.cli.options import seconds
from testwright.errors import InvalidSubmissionError
from testwright.misfit import misfit
from testwright.sandbox.choice import Mode
from testwright.snapshots.sources import VENV
from testwright_schemas import Policy, Priority

HOUR_S = 3600.0
WEEK_S = 7 * 24 * HOUR_S
"""Longest that an attempt may take, and that a task may wait and take."""

Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        "-e",
        metavar="NAME",
        help="Engine; repeat it for a list to be tried in order. [pynguin, ghostwriter]",
    ),
]
Coverage = Annotated[
    float | None, typer.Option("--coverage", metavar="PERCENT", help="Line coverage that is asked for. [80]")
]
Budget = Annotated[
    float | None, typer.Option("--budget", parser=seconds, metavar="TIME", help="How long an engine may search. [60s]")
]
Limit = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        parser=seconds,
        metavar="TIME",
        help="How long an attempt may take altogether. [10m, more for a long search]",
    ),
]
Python = Annotated[
    str | None,
    typer.Option("--python", metavar="PY", help="Interpreter that has what the modules need; else one is prepared."),
]
NoMutants = Annotated[bool, typer.Option("--no-mutants", help="Do not score the tests against mutants.")]
Urgency = Annotated[Priority | None, typer.Option("--priority", help="Class of the queue. [high]")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of every random choice. [0]")]
Repeats = Annotated[
    int | None, typer.Option("--repeats", help="Fresh processes in which a test must pass to be believed. [5]")
]


Rounds = Annotated[int | None, typer.Option("--rounds", help="Most rounds of one engine. [3]")]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", help="What a task may cost, all its attempts together.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Tokens that a task may use, in and out.")
]


def policy(*, engines: list[str] | None, python: str | None, no_mutants: bool, **given: Any) -> Policy:
    """Return the policy that options ask for; whatever is ``None`` or empty is left at its default.

    Raises:
        InvalidSubmissionError: a value is out of range, with the name of its field.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    if engines:
        fields["engines"] = engines
    if python:
        fields["python"] = interpreter(python)
    if no_mutants:
        fields["mutants"] = False
    if "budget_s" in fields:
        fields.setdefault("timeout_s", _enough(fields["budget_s"]))
    try:
        return msgspec.convert(fields, Policy)
    except msgspec.ValidationError as error:
        field, reason = misfit(error)
        raise InvalidSubmissionError(field or "policy", reason) from error


def demanded(sandbox: Mode | None) -> str | None:
    """Return what workers are to demand of their sandbox where this mode is asked for."""
    return None if sandbox in {None, "auto"} else "required"


def for_modules(wanted: Policy, number: int) -> Policy:
    """Return a policy whose deadline lets each module of a job have its attempt, were they made one after the other."""
    return msgspec.structs.replace(wanted, deadline_s=min(max(wanted.deadline_s, number * wanted.timeout_s), WEEK_S))


def _enough(budget_s: float) -> float:
    # Preparing, assertions and minimising take about as long again as the search, and a few minutes on a slow machine.
    return min(max(Policy().timeout_s, 2 * budget_s + 300), HOUR_S)


def interpreter(name: str) -> str:
    """Return the absolute path of an interpreter, without following links.

    Args:
        name: its path or name, or the folder of a virtual environment.

    Raises:
        InvalidSubmissionError: there is none.
    """
    path = Path(name).expanduser()
    found = shutil.which(path / "bin" / "python" if (path / VENV).is_file() else path)
    if found is None:
        raise InvalidSubmissionError(
            "python", f"{name!r} is no program: give the path of an interpreter, or of a virtual environment"
        )
    return str(Path(found).absolute())
