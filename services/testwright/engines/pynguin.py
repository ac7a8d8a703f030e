"""The Pynguin engine: search-based tests, without a model and without a key.

Pynguin imports and calls the module in its own process, so it gets an environment of its own on the interpreter of the
project's, with the project's packages behind its own pins, and runs in the sandbox only.
"""

import anyio

from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._pynguin_log import condensed, failure_of, report_of
from testwright.engines._target import (
    check_import,
    import_root,
    is_shadowed,
    last_part,
    make_plain,
    pinned,
    read_target,
    readable,
)
from testwright.engines._tidy import tidy
from testwright.environments import Environment, Environments
from testwright.errors import EngineError
from testwright.sandbox import Command, Limits
from testwright_schemas import Usage

PYTHONS = ("3.11", "3.12", "3.13")
"""In order of preference: on 3.13 Pynguin 0.48 cannot instrument some modules."""

MARGIN_S = 120.0
"""Seconds beyond twice the budget: the search's own limit covers neither the analysis of all that the module imports,
which takes from one second to a minute, nor assertions and minimising."""

MODULE_S = 60
"""Seconds that importing the module may take once it is instrumented; Pynguin's own 5 are too few for 3,000 lines."""

SEARCH_SHARE = 0.5
"""Most of an attempt's time that the search may take, whatever the budget; a search that is cut off yields nothing."""

MEMORY_MB = 2048
"""Address space of each process. Searches of real modules peak at 100 to 650 MB; runaways reach 5 GB."""

_RUN = "import os, runpy; os.dup2(1, 2); runpy.run_module('pynguin', run_name='__main__')"
"""Sends the log, which Pynguin writes to stderr, to stdout, where its lines are read as they come."""


class PynguinEngine(Engine):
    """Searches for inputs that cover the module, and asserts what it saw."""

    name = "pynguin"
    summary = "search for covering inputs (Pynguin 0.48); needs no model"
    needs_environment = True

    def status(self) -> EngineStatus:
        """Say which version it installs for itself on first use."""
        version = next(line for line in pinned("pynguin") if line.startswith("pynguin=="))
        return EngineStatus(available=True, detail=f"{version}, installed on first use for Python {', '.join(PYTHONS)}")

    async def install(self, environments: Environments) -> Environment:
        """Build it without a project, so that its packages are in uv's cache when the first project comes.

        Raises:
            EnvironmentBuildError: Pynguin cannot be installed.
        """
        return await environments.for_tool("pynguin", pinned("pynguin"), PYTHONS)

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Search for the policy's budget and deliver the tidied suite.

        Raises:
            EngineError: ``import-failed``, ``nothing-to-test``, ``nothing-generated``, ``out-of-memory``, ``timeout``,
                ``unsupported-python`` or ``engine-crashed``; retryable only where a signal ended it.
            EnvironmentBuildError: Pynguin cannot be installed.
        """
        _check_python(assignment.environment)
        await read_target(assignment)
        await check_import(assignment)
        await make_plain(assignment)
        await progress("preparing Pynguin")
        tool = await assignment.environments.for_tool("pynguin", pinned("pynguin"), PYTHONS, assignment.environment)

        async def on_line(line: str) -> None:
            if report := report_of(line):
                await progress(report.message, tests=report.tests, coverage=report.coverage)

        module = assignment.target.module
        done = await assignment.sandbox.run(_command(assignment, tool), on_line)
        suite = await _suite(assignment) if done.returncode == 0 else ""
        if not suite:
            raise failure_of(done, module)
        return Candidate(
            files={f"test_{last_part(module)}.py": suite.encode()},
            usage=Usage(wall_s=done.wall_s),
            log=condensed(done.stdout),
            isolation=done.isolation,
        )


def _check_python(environment: Environment) -> None:
    version = ".".join(map(str, environment.version))
    if version not in PYTHONS:
        supported = f"{PYTHONS[0]} to {PYTHONS[-1]}"
        raise EngineError("unsupported-python", f"Pynguin runs on Python {supported}, the project on {version}")


def _command(assignment: Assignment, tool: Environment) -> Command:
    policy, scratch = assignment.policy, assignment.scratch
    options = {
        "--project-path": import_root(assignment),
        "--module-name": assignment.target.module,
        "--output-path": scratch / "out",
        "--report-dir": scratch / "report",
        "--maximum-module-execution-timeout": MODULE_S,
        "--maximum-search-time": max(1, round(min(policy.budget_s, SEARCH_SHARE * policy.timeout_s))),
        "--assertion-generation": "SIMPLE",
        "--no-xfail": "true",
        "--seed": policy.seed,
    }
    return Command(
        argv=[
            str(tool.python),
            "-c",
            _RUN,
            *(str(each) for option in options.items() for each in option),
            "--poor",
            "-v",
        ],
        cwd=scratch,
        env={
            "PYNGUIN_DANGER_AWARE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
        },
        readable=readable(assignment, tool),
        writable=[scratch],
        limits=Limits(wall_s=min(2 * policy.budget_s + MARGIN_S, policy.timeout_s), memory_mb=MEMORY_MB),
    )


async def _suite(assignment: Assignment) -> str:
    """Return the tidied suite that was written; empty where there is none, or none with a test in it."""
    module = assignment.target.module
    path = anyio.Path(assignment.scratch, "out", f"test_{last_part(module)}.py")
    if not await path.is_file():
        return ""
    source = await path.read_text("utf-8")
    return tidy(source, module, shadowed=await is_shadowed(assignment))
