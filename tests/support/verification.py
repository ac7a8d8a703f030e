"""Inquiries for verification tests: a project and a candidate in folders, a real sandbox, real environments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testwright import settings
from testwright.environments.uv import UvEnvironments
from testwright.sandbox.local import LocalSandbox
from testwright.verification import Finding, Inquiry, Provenance, verify
from testwright_schemas import Policy, Target

CALC = '''"""Sums."""

LIMIT = 10


def add(a, b):
    """Add up to a limit."""
    if a > LIMIT:
        raise ValueError("too big")
    return a + b


def sign(number):
    if number < 0:
        return -1
    return 1 if number else 0
'''
"""A module under test."""


async def inquiry(
    folder: Path,
    sources: Mapping[str, str],
    module: str,
    files: Mapping[str, str],
    policy: Policy | None = None,
) -> Inquiry:
    """Return the inquiry into a candidate for ``module`` of a project with these sources, both made in ``folder``."""
    root, scratch = folder / "project", folder / "scratch"
    scratch.mkdir(parents=True)
    for name, text in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    environments = UvEnvironments(settings.load().cache)
    target = Target(module=module, path=module.replace(".", "/") + ".py")
    return Inquiry(
        root=root,
        target=target,
        environment=await environments.for_project(root, target, None),
        files={name: text.encode() for name, text in files.items()},
        policy=policy or Policy(repeats=2, mutants=False),
        scratch=scratch,
        sandbox=LocalSandbox(),
        environments=environments,
        provenance=Provenance("task-1", "echo", "ab" * 32),
        case_limit_s=2.0,
    )


@dataclass
class Reports:
    """Takes the progress of a verification and keeps it."""

    messages: list[str] = field(default_factory=list[str])

    async def __call__(self, message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        """Keep one report."""
        del tests, coverage
        self.messages.append(message)


async def find(asked: Inquiry) -> Finding:
    """Verify without listening."""
    return await verify(asked, Reports())


def verdicts(finding: Finding) -> dict[str, str]:
    """Return the verdict on each test by its own name; what was kept goes by the name it was kept under."""
    return {case.id.rpartition("::")[2]: case.verdict for case in finding.cases}
