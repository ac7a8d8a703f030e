"""Assignments for engine tests: a module's source in a folder, a real sandbox, real environments."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from testwright import settings
from testwright.engines import Assignment
from testwright.environments import Environment
from testwright.environments.uv import UvEnvironments
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Policy, Target


def here() -> Environment:
    """Return this interpreter as an environment, as a project without dependencies would get it."""
    return Environment(
        python=Path(sys.executable),
        version=sys.version_info[:2],
        site_packages=Path(sysconfig.get_path("purelib")),
        prefixes=(Path(sys.prefix), Path(sys.base_prefix).resolve()),
        digest="0" * 64,
    )


def assignment(
    folder: Path, files: Mapping[str, str], module: str, *, import_root: str = ".", budget_s: float = 5.0
) -> Assignment:
    """Return the assignment to write tests for ``module`` of a project with these files, made in ``folder``."""
    root, scratch = folder / "project", folder / "scratch"
    scratch.mkdir(parents=True)
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, encoding="utf-8")
    path = module.replace(".", "/") + ".py"
    return Assignment(
        target=Target(
            module=module, path=path if import_root == "." else f"{import_root}/{path}", import_root=import_root
        ),
        root=root,
        scratch=scratch,
        environment=here(),
        policy=Policy(budget_s=budget_s, timeout_s=120.0),
        sandbox=LocalSandbox(),
        environments=UvEnvironments(settings.load().cache),
    )


class Reports:
    """Takes the progress of an engine and keeps it."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.tests: list[int] = []
        self.coverage: list[float] = []

    async def __call__(self, message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        """Keep one report."""
        self.messages.append(message)
        self.tests += [] if tests is None else [tests]
        self.coverage += [] if coverage is None else [coverage]
