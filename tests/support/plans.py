"""What a simulated run does, as data: the same choices made by a seed's dice, or by Hypothesis, which makes fewer."""

import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec

from testwright.bus.memory import Faults

ROLES = ("submitter", "submitter", "collector", "collector", "generator", "generator", "verifier", "client")
"""Who can be a victim, by its index."""

CALM = 5
"""Every so many seeds nothing goes wrong, so that a bug is not blamed on what does."""

MOST_HURTS = 24

T = TypeVar("T")

Wrong = Literal["", "engine", "price", "twice", "shape"]
"""What a submission is refused for: an engine that is not here, a price above the job's, one id for two tasks, a
coverage that is none. The client itself finds the last one, so that another kind of client submits it."""


Kind = Literal["kill", "rest", "cut", "slow"]

LASTS_S: dict[Kind, tuple[float, ...]] = {
    "kill": (0.0,),
    "rest": (0.0, 20.0),
    "cut": (5.0, 40.0, 150.0),
    "slow": (60.0, 200.0),
}
"""For how many seconds a hurt lasts."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """What is shown and written down without what is usual."""


class Order(Part, frozen=True, kw_only=True):
    """A submission of so many tasks, made by others under its ids again, so many seconds later each."""

    tasks: int = 1
    wrong: Wrong = ""
    again_after_s: tuple[float, ...] = ()


class Cancel(Part, frozen=True, kw_only=True):
    """A cancel of the first task of an order, of the order or of all, so many seconds behind the cancel before it."""

    whom: Literal["task", "order", "everything"] = "task"
    order: int = 0
    after_s: float = 0.0


class Hurt(Part, frozen=True, kw_only=True):
    """What befalls a victim: it is killed, drained, cut off or slow.

    Attributes:
        kind: of hurt.
        victim: index of ``ROLES``.
        after_s: seconds behind the hurt before it.
        for_s: seconds of a drain's grace, or until a cut or slow one is well again.
        by_s: seconds by which a slow one is late.
    """

    kind: Kind = "kill"
    victim: int = 0
    after_s: float = 0.0
    for_s: float = 0.0
    by_s: float = 0.0


class Death(Part, frozen=True, kw_only=True):
    """That a victim dies at its so-manieth operation, or behind it, when nobody knows of it yet.

    The first death of a victim is that of its first life, and so on.
    """

    victim: int = 0
    operation: int = 1
    behind: bool = False


class Plan(Part, frozen=True, kw_only=True):
    """What a run does; ``seed`` decides the small things: when faults strike, moods of engines, who goes first.

    Attributes:
        seed: of these dice.
        orders: what is submitted, one behind the other.
        cancels: what is asked for then.
        again: which order is submitted again when all has ended, if any.
        hurts: what befalls processes.
        deaths: what befalls them in the middle of something.
        faults: of the bus.
        memory_s: for how long the server remembers message ids; with 0 nothing may rest on them.
        concurrency: tasks of an order that may work at a time, or of all orders if they share a ``key``.
        places: tasks of the namespace that may work at a time; with a number, there is a neighbour in another.
        by_default: whether collectors give so many to each namespace, instead of an operator to this one.
        most_tasks: that may be open in the namespace before an order is refused.
        task_usd: dollars that a task may cost; ``job_usd`` an order, ``namespace_usd`` all together.
        skew_s: seconds by which the clock of each process may be wrong.
    """

    seed: int = 0
    orders: tuple[Order, ...] = (Order(),)
    cancels: tuple[Cancel, ...] = ()
    again: int | None = None
    hurts: tuple[Hurt, ...] = ()
    deaths: tuple[Death, ...] = ()
    faults: Faults = Faults()
    memory_s: float = 120.0
    concurrency: int | None = None
    key: str | None = None
    places: int | None = None
    by_default: bool = False
    most_tasks: int | None = None
    task_usd: float | None = None
    job_usd: float | None = None
    namespace_usd: float | None = None
    skew_s: float = 0.0

    @classmethod
    def read(cls, text: str) -> "Plan":
        """Return a plan from what its ``text`` was."""
        return msgspec.json.decode(text, type=cls)

    @property
    def text(self) -> str:
        """What is printed of it, so that it can be replayed."""
        return msgspec.json.encode(self).decode()

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong."""
        wrong = self.hurts or self.deaths or self.skew_s or self.faults != Faults()
        return not wrong and not any(order.again_after_s for order in self.orders)


def of_seed(seed: int) -> Plan:
    """Return the plan of a seed."""
    return made_with(random.Random(seed), seed, calm=seed % CALM == 0)


def made_with(dice: random.Random, seed: int, *, calm: bool) -> Plan:
    """Return a plan; of what there is to choose from, the first is what goes wrong least.

    Args:
        dice: make the choices.
        seed: of the small dice.
        calm: whether nothing is to go wrong.
    """
    orders = (_order(dice, calm=calm, wrong=False), *_some(dice, 3, lambda: _order(dice, calm=calm, wrong=True)))
    cancels = tuple(_some(dice, 3, lambda: _cancel(dice, len(orders))))
    task_usd, job_usd = dice.choice(((None, None), (None, None), (0.6, None), (1.0, 1.5), (None, 3.0)))
    return Plan(
        seed=seed,
        orders=orders,
        cancels=cancels,
        again=dice.choice((None, *range(len(orders)))),
        hurts=() if calm else tuple(_some(dice, MOST_HURTS, lambda: _hurt(dice))),
        deaths=() if calm else tuple(_some(dice, 16, lambda: _death(dice))),
        faults=Faults() if calm else _faults(dice),
        memory_s=dice.choice((120.0, 0.0)),
        concurrency=dice.choice((None, 1, 2, 4)),
        key=dice.choice((None, None, "shop")),
        places=dice.choice((None, None, 1, 3)),
        by_default=dice.choice((False, True)),
        most_tasks=dice.choice((None, None, None, 4, 9)),
        task_usd=task_usd,
        job_usd=job_usd,
        namespace_usd=dice.choice((None, 3.0, 8.0)) if task_usd or job_usd else None,
        skew_s=0.0 if calm else dice.choice((0.0, 2.0, 90.0)),
    )


def _some(dice: random.Random, most: int, make: Callable[[], T]) -> Sequence[T]:
    # Whether there is one more is asked before each, so that whoever wants fewer can leave out any.
    made: list[T] = []
    while len(made) < most and dice.choice((False, *[True] * (most // 2 + 1))):
        made.append(make())
    return made


def _order(dice: random.Random, *, calm: bool, wrong: bool) -> Order:
    return Order(
        tasks=dice.randint(1, 6),
        wrong=dice.choice(("", "", "", "", "", "engine", "price", "twice", "shape")) if wrong else "",
        again_after_s=() if calm else dice.choice(((), (), (), (0.0,), (5.0,), (0.0, 5.0, 300.0))),
    )


def _cancel(dice: random.Random, orders: int) -> Cancel:
    return Cancel(
        whom=dice.choice(("task", "order", "everything")),
        order=dice.randrange(orders),
        after_s=dice.choice((0.0, 10.0, 60.0)),
    )


def _hurt(dice: random.Random) -> Hurt:
    kind = dice.choice(("kill", *LASTS_S))
    return Hurt(
        kind=kind,
        victim=dice.randrange(len(ROLES)),
        after_s=round(dice.uniform(0, 40), 1),
        for_s=dice.choice(LASTS_S[kind]),
        by_s=dice.choice((3.0, 12.0, 25.0)) if kind == "slow" else 0.0,
    )


def _death(dice: random.Random) -> Death:
    return Death(
        victim=dice.randrange(len(ROLES)),
        # Most see few.
        operation=dice.randint(1, dice.choice((4, 12, 40))),
        behind=dice.choice((False, True)),
    )


def _faults(dice: random.Random) -> Faults:
    return Faults(
        lose_publish=dice.choice((0.0, 0.05, 0.2)),
        lose_answer=dice.choice((0.0, 0.05, 0.2)),
        repeat=dice.choice((0.0, 0.05, 0.2)),
        delay=dice.choice((0.0, 0.1, 0.3)),
        reorder=dice.choice((0.0, 0.1, 0.3)),
        stale=dice.choice((0.0, 0.1, 0.5)),
    )
