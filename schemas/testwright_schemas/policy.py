"""Policy: what a submitter asks of the work, beyond which module."""

from typing import Annotated, Literal

import msgspec

from testwright_schemas._base import Percent, Record, Token

Priority = Literal["critical", "high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("critical", "high", "normal", "low")
"""Highest first: the order in which a free worker asks for work."""


class RetryPolicy(Record, frozen=True, kw_only=True):
    """When a failed attempt is tried again with the same engine.

    The wait before try n+1 is ``base_s * factor**(n-1)``, at most ``max_s``, spread by ``jitter`` (a share, both ways).
    """

    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 4
    base_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    factor: Annotated[float, msgspec.Meta(ge=1, le=10)] = 2.0
    max_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 60.0
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2


class Policy(Record, frozen=True, kw_only=True):
    """How a task is to be done.

    Attributes:
        engines: tried in this order until one yields a usable suite.
        coverage: line coverage of the target in percent that counts as "threshold met".
        budget_s: seconds that an engine may search, all its rounds together.
        rounds: most rounds of one engine. A later one is begun while the coverage is not reached and the last one has
            gained something, and gets what is left of the budget.
        timeout_s: seconds after which an attempt is stopped and counts as failed (retryable).
        deadline_s: seconds after which the task ends with what was accepted by then, or as failed.
        priority: class of the work queues.
        repeats: fresh processes in which every test must pass before it is believed.
        mutants: whether the kept tests are also scored against mutants.
        mutants_budget_s: seconds that scoring mutants may take.
        python: interpreter that already has what the module needs; ``None`` builds an environment.
        seed: seed of every random choice.
        output: where whoever collects the suite is to write it: a folder, or a ``.py`` file; no actor writes there.
        retry: back-off and number of tries for each engine.
        max_cost_usd: dollars that all attempts of a task may cost together; ``None`` for any.
        max_tokens: tokens, of input and output, that they may use together; ``None`` for any.
        sandbox: ``required`` has workers refuse that cannot isolate foreign code by bubblewrap or a container.
    """

    engines: Annotated[tuple[Token, ...], msgspec.Meta(min_length=1, max_length=10)] = (
        "pynguin",
        "ghostwriter",
    )
    coverage: Percent = 80.0
    budget_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    rounds: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    timeout_s: Annotated[float, msgspec.Meta(ge=10, le=3600)] = 600.0
    deadline_s: Annotated[float, msgspec.Meta(ge=1, le=604800)] = 3600.0
    priority: Priority = "high"
    repeats: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5
    mutants: bool = True
    mutants_budget_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0
    python: str | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    output: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    retry: RetryPolicy = RetryPolicy()
    sandbox: Literal["auto", "required"] = "auto"
    max_cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
