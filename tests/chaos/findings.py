"""What an audit finds."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Audit:
    """What is on the server.

    Attributes:
        faults: what does not balance; empty where everything does.
        outcomes: of tasks, and the causes where they did not complete.
        counts: of everything else.
    """

    faults: list[str] = field(default_factory=list[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    counts: Counter[str] = field(default_factory=Counter[str])

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Take note where something is not as it should be."""
        if found != wanted:
            self.faults.append(f"{what}: {found!r}, expected {wanted!r}")
