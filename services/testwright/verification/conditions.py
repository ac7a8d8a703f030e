"""The only place that says in which circumstances a test must pass. Pure."""

from dataclasses import dataclass

ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland")
LOCALES = ("C.UTF-8", "C")
LATER_S = 400 * 86_400.0 + 13 * 3600.0 + 37 * 60.0
"""Another year, month, day of the week and hour: whatever a test takes for today is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Circumstances of one fresh process.

    Attributes:
        hash_seed: ``PYTHONHASHSEED``.
        shuffle: seed of a random order, ``None`` for the order of the files.
        zone: time zone.
        locale: ``LC_ALL``.
        cluttered: whether the working directory holds files of somebody else's; it is empty otherwise.
        later: whether the clock and the calendar are ``LATER_S`` ahead.
    """

    hash_seed: int = 0
    shuffle: int | None = None
    zone: str = "UTC"
    locale: str = "C.UTF-8"
    cluttered: bool = False
    later: bool = False

    def describe(self) -> str:
        """Return it in words, for the report."""
        order = "file order" if self.shuffle is None else f"random order {self.shuffle}"
        folder = "cluttered folder" if self.cluttered else "empty folder"
        clock = ", later clock" if self.later else ""
        return f"hash seed {self.hash_seed}, {order}, {self.zone}, {self.locale}, {folder}{clock}"


REFERENCE = Condition()


def conditions(repeats: int, seed: int) -> tuple[Condition, ...]:
    """Return the circumstances of each repeat; the first is ``REFERENCE``, every other one changes several things."""
    return tuple(
        Condition(
            hash_seed=index,
            # Every second one keeps the order, so that a difference is not always the order's fault.
            shuffle=(seed + index) % 2**32 if index % 2 else None,
            zone=ZONES[index % len(ZONES)],
            locale=LOCALES[(index // 2) % len(LOCALES)],
            cluttered=index % 3 == 2,
            later=index % 4 == 3,
        )
        for index in range(repeats)
    )
