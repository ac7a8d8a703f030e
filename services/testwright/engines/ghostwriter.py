"""The ghostwriter engine: Hypothesis' property tests of typed functions, the last resort before giving up."""

from importlib import resources

import anyio
from anyio.to_thread import run_sync

from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._ghostwritten import Promises, promises_of, settle
from testwright.engines._returned import DISK_MB, python_below, text_of
from testwright.engines._target import check_import, import_root, is_shadowed, last_part, pinned, read_target, readable
from testwright.environments import Environment, Environments
from testwright.errors import EngineError
from testwright.sandbox import Command, Completed, Limits
from testwright_schemas import Usage

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WALL_S = 120.0
"""Writing takes one to three seconds; the rest is for slow machines."""

_NEEDED_BY_TESTS = ("hypothesis", "sortedcontainers")


class GhostwriterEngine(Engine):
    """Derives properties from signatures: inverse functions, idempotence, and return types that are kept."""

    name = "ghostwriter"
    summary = "property tests from type hints (Hypothesis ghostwriter); needs no model"
    needs_environment = True
    charges = False

    def status(self) -> EngineStatus:
        """Say which version it installs for itself on first use."""
        version = next(line for line in pinned("ghostwriter") if line.startswith("hypothesis=="))
        return EngineStatus(available=True, detail=f"{version}, installed on first use")

    async def install(self, environments: Environments) -> Environment:
        """Build it without a project, so that its packages are in uv's cache when the first project comes.

        Raises:
            EnvironmentBuildError: Hypothesis cannot be installed.
        """
        return await environments.for_tool("ghostwriter", pinned("ghostwriter"), PYTHONS)

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Write properties of all public functions that have types enough for it.

        Raises:
            EngineError: ``import-failed``, ``out-of-memory``, ``timeout``, ``nothing-generated`` or ``engine-crashed``;
                retryable only where a signal ended it.
            EnvironmentBuildError: Hypothesis cannot be installed.
        """
        promises = promises_of(await read_target(assignment))
        await check_import(assignment)
        await progress("preparing Hypothesis")
        tool = await assignment.environments.for_tool(
            "ghostwriter", pinned("ghostwriter"), PYTHONS, assignment.environment
        )
        out = anyio.Path(assignment.scratch, "out")
        await out.mkdir()

        async def on_line(line: str) -> None:
            if line.startswith(("wrote ", "skipped ")):
                await progress(line)

        done = await assignment.sandbox.run(_command(assignment, tool, promises), on_line)
        files = await _settled(assignment, promises)
        if done.returncode != 0 or not files:
            raise _failure_of(done, assignment.target.module)
        await progress("tests written", tests=sum(text.count(b"\ndef test_") for text in files.values()))
        return Candidate(
            files=files,
            usage=Usage(wall_s=done.wall_s),
            log=done.stdout,
            isolation=done.isolation,
            requirements=tuple(line for line in pinned("ghostwriter") if line.startswith(_NEEDED_BY_TESTS)),
        )


def _command(assignment: Assignment, tool: Environment, promises: Promises) -> Command:
    script = resources.files("testwright.engines").joinpath("_ghostwrite.py").read_bytes()
    scratch = assignment.scratch
    return Command(
        argv=[str(tool.python), "-", assignment.target.module, str(scratch / "out"), *promises.errors],
        cwd=scratch,
        env={
            "PYTHONPATH": str(import_root(assignment)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONSAFEPATH": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        },
        readable=readable(assignment, tool),
        writable=[scratch],
        stdin=script,
        limits=Limits(wall_s=min(WALL_S, assignment.policy.timeout_s), memory_mb=2048, disk_mb=DISK_MB),
    )


async def _settled(assignment: Assignment, promises: Promises) -> dict[str, bytes]:
    module, shadowed = assignment.target.module, await is_shadowed(assignment)
    files: dict[str, bytes] = {}
    for name, content in await run_sync(list, python_below(assignment.scratch, "out")):
        text = settle(text_of(content), module, promises, shadowed=shadowed)
        if text:
            stem = name.removesuffix(".py")
            part = "" if stem == "module" else f"_{stem}"
            files[f"test_{last_part(module)}{part}.py"] = text.encode()
    return dict(sorted(files.items()))


def _failure_of(done: Completed, module: str) -> EngineError:
    log = done.stdout + b"\n" + done.stderr
    if done.timed_out:
        return EngineError("timeout", f"Hypothesis was still busy after {done.wall_s:.0f} s", log=log)
    if done.returncode == 0:
        return EngineError("nothing-generated", f"{module} has no typed function with a property to test", log=log)
    if b"MemoryError" in done.stderr:
        return EngineError("out-of-memory", f"Hypothesis ran out of memory on {module}", log=log)
    message = f"Hypothesis failed on {module} (exit code {done.returncode})"
    return EngineError("engine-crashed", message, retryable=done.returncode < 0, log=log)
