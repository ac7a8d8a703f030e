"""The Pynguin engine: search-based tests, without a model and without a key.

Pynguin imports and calls the module in its own process, so it gets an environment of its own on the interpreter of the
project's, with the project's packages behind its own pins, and runs in the sandbox only.
"""

import anyio

from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._pynguin_log import condensed, failure_of
from testwright.engines._pynguin_search import search
from testwright.engines._target import check_import, is_shadowed, last_part, make_plain, pinned, read_target
from testwright.engines._tidy import tidy
from testwright.engines._tidy_parts import has_state
from testwright.engines._varied import varied
from testwright.environments import Environment, Environments
from testwright.errors import EngineError
from testwright_schemas import Usage

PYTHONS = ("3.11", "3.12", "3.13")
"""In order of preference: on 3.13 Pynguin 0.48 cannot instrument some modules."""


class PynguinEngine(Engine):
    """Searches for inputs that cover the module, and asserts what it saw."""

    name = "pynguin"
    summary = "search for covering inputs (Pynguin 0.48); needs no model"
    needs_environment = True
    charges = False
    rounds = True

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
        """Search for the policy's budget, on several cores with different seeds, and deliver one tidied suite.

        Raises:
            EngineError: ``import-failed``, ``nothing-to-test``, ``nothing-generated``, ``out-of-memory``, ``timeout``,
                ``unsupported-python`` or ``engine-crashed``; retryable only where a signal ended it.
            EnvironmentBuildError: Pynguin cannot be installed.
        """
        _check_python(assignment.environment)
        tree = await read_target(assignment)
        await check_import(assignment)
        await make_plain(assignment)
        await progress("preparing Pynguin")
        tool = await assignment.environments.for_tool("pynguin", pinned("pynguin"), PYTHONS, assignment.environment)

        started = anyio.current_time()
        searches = await search(assignment, tool, progress)
        suites = [each.suite for each in searches if each.suite]
        shadowed = await is_shadowed(assignment)
        module = assignment.target.module
        suite = tidy(suites, module, shadowed=shadowed, stateful=has_state(tree)) if suites else ""
        ended = [each.ended for each in searches if each.ended is not None]
        if not suite:
            raise failure_of(ended[0], module)
        suite = await varied(assignment, suite, tree)
        await progress("tests written", tests=suite.count("\ndef test_"))
        return Candidate(
            files={f"test_{last_part(module)}.py": suite.encode()},
            usage=Usage(wall_s=anyio.current_time() - started),
            log=b"\n".join(condensed(each.stdout) for each in ended),
            isolation=ended[0].isolation,
        )


def _check_python(environment: Environment) -> None:
    version = ".".join(map(str, environment.version))
    if version not in PYTHONS:
        supported = f"{PYTHONS[0]} to {PYTHONS[-1]}"
        raise EngineError("unsupported-python", f"Pynguin runs on Python {supported}, the project on {version}")
