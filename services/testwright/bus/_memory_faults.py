"""What may go wrong on the memory bus, as data, and the dice that decide when it does."""

import enum
import random
from dataclasses import dataclass

MOST_STALE = 20
"""Messages that a server that lags behind does not know of yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How unreliable the bus is; each is a probability, 0 to 1, and 0 by default.

    Attributes:
        lose_publish: that a publish (half of the time) or its confirmation (the other half) is lost; the publisher
            tries again under the same id.
        lose_answer: the same for an ack, a nak or a term; these are not sent again, so ``BusTimeoutError`` is raised
            and the message comes again, or does not.
        repeat: that a delivery is made once more before it is answered, at once or within ``max_delay_s``.
        delay: that a request, a delivery or a feed lags by up to ``max_delay_s``.
        reorder: that a queue hands out another message than its first.
        stale: that ``last_per_subject`` does not know the last few messages of the stream, as a follower may not.
        max_delay_s: seconds, 5 by default.
    """

    lose_publish: float = 0.0
    lose_answer: float = 0.0
    repeat: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    stale: float = 0.0
    max_delay_s: float = 5.0


class Fate(enum.Enum):
    """What becomes of a request that wants a confirmation."""

    CONFIRMED = enum.auto()
    UNCONFIRMED = enum.auto()
    LOST = enum.auto()


class Dice:
    """Decides, for a seed always alike, which fault strikes when.

    Attributes:
        faults: may be changed at any time.
    """

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._random = random.Random(seed)  # noqa: S311  simulated bad luck, not a secret

    def publish_fate(self) -> Fate:
        """Return what becomes of the next publish."""
        return self._fate(self.faults.lose_publish)

    def answer_fate(self) -> Fate:
        """Return what becomes of the next ack, nak or term."""
        return self._fate(self.faults.lose_answer)

    def lag_s(self) -> float:
        """Return by how many seconds the next request or delivery lags."""
        return self._any_delay_s() if self._strikes(self.faults.delay) else 0.0

    def repeat_after_s(self) -> float | None:
        """Return after how many seconds the next delivery is made once more, ``None`` for not at all."""
        if not self._strikes(self.faults.repeat):
            return None
        return self._random.choice((0.0, self._any_delay_s()))

    def lag(self) -> int:
        """Return how many messages the server that answers lags behind."""
        return self._random.randint(1, MOST_STALE) if self._strikes(self.faults.stale) else 0

    def pick(self, count: int) -> int:
        """Return the index of the message that is handed out next, of ``count``."""
        return self._random.randrange(count) if self._strikes(self.faults.reorder) else 0

    def _fate(self, probability: float) -> Fate:
        return self._random.choice((Fate.LOST, Fate.UNCONFIRMED)) if self._strikes(probability) else Fate.CONFIRMED

    def _any_delay_s(self) -> float:
        return self._random.uniform(0.0, self.faults.max_delay_s)

    def _strikes(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
