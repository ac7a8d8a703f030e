"""The only place that says what a run is told; the host writes it as JSON, the runner reads it."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Mode = Literal["apart", "together", "mutate", "import"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run.

    Attributes:
        mode: ``apart`` runs each test in a process of its own, forked after collection; ``together`` runs them in one;
            ``mutate`` scores mutants; ``import`` only imports the target.
        token: what each line of the report begins with.
        module: dotted name of the target.
        path: its file, absolute.
        paths: folders for ``sys.path``: those of the project.
        overlay: folder with pytest and coverage.
        suite: folder with the test files; pytest's root.
        files: the test files, relative to ``suite``.
        cases: node ids without parameters, in the order to run them; ``None`` runs all.
        shuffle: seed of a random order instead, ``None`` for none.
        case_limit_s: seconds that one test may take.
        collect_limit_s: seconds that importing one test file may take.
        measure: whether to measure the coverage of the target.
        clock: folder with time-machine, empty where it is not needed.
        later_s: seconds that the clock is ahead.
        lines: for ``mutate``: lines of the target that each case runs.
        import_lines: for ``mutate``: lines that run on import.
        seed: for ``mutate``: of the order in which mutants are run.
        budget_s: for ``mutate``: seconds for all mutants.
        max_mutants: for ``mutate``: at most so many.
        jobs: for ``mutate``: processes at a time.
        only: for ``mutate``: numbers of the mutants to run, in the order of the tree; ``None`` runs all.
    """

    mode: Mode
    token: str
    module: str
    path: str
    paths: list[str]
    overlay: str
    suite: str
    files: list[str] = field(default_factory=list[str])
    cases: list[str] | None = None
    shuffle: int | None = None
    case_limit_s: float = 10.0
    collect_limit_s: float = 60.0
    measure: bool = False
    clock: str = ""
    later_s: float = 0.0
    lines: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    import_lines: list[int] = field(default_factory=list[int])
    seed: int = 0
    budget_s: float = 60.0
    max_mutants: int = 1000
    jobs: int = 2
    only: list[int] | None = None

    def encode(self) -> bytes:
        """Return the plan as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Plan":
        """Return the plan that ``encode`` wrote."""
        return cls(**json.loads(data))
