"""Does an attempt for real: unpacks the snapshot, builds the environment, runs the engine in the sandbox."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright.engines import Assignment, Engine, Notes, Progress
from testwright.engines._returned import check
from testwright.engines.registry import load
from testwright.environments import Environments, bare
from testwright.errors import EngineError, WorkError
from testwright.generator.actor import Product
from testwright.sandbox import Sandbox
from testwright.sandbox.choice import demand
from testwright.snapshots.archive import pack
from testwright.workspace import workspace
from testwright_schemas import GenerateSuite, Usage


class Workshop:
    """Produces candidates on this machine.

    Args:
        sandbox: where everything runs.
        environments: builds what the module and the engine need.
    """

    def __init__(self, sandbox: Sandbox, environments: Environments) -> None:
        self._sandbox = sandbox
        self._environments = environments

    async def __call__(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Return a packed candidate; see ``testwright.generator.actor.Produce``."""
        with free_of_charge():
            engine = await self._engine(item)
        async with workspace(snapshot) as space:
            environment = bare()
            if engine.needs_environment:
                await progress("building the environment")
                with free_of_charge():
                    environment = await self._environments.for_project(space.root, item.target, item.policy.python)
            assignment = Assignment(
                target=item.target,
                root=space.root,
                scratch=space.scratch,
                environment=environment,
                policy=item.policy,
                sandbox=self._sandbox,
                environments=self._environments,
                brief=item.brief,
                notes=notes,
            )
            began = anyio.current_time()
            candidate = await engine.generate(assignment, progress)
            searched_s = round(anyio.current_time() - began, 3)
        if not candidate.files:
            raise EngineError(
                "nothing-generated", f"{engine.name} delivered no file", log=candidate.log, usage=candidate.usage
            )
        check(candidate.files)
        return Product(
            archive=await run_sync(pack, candidate.files),
            files=tuple(sorted(candidate.files)),
            requirements=candidate.requirements,
            # Rounds share one budget, so none may be free of charge.
            usage=replace(candidate.usage, wall_s=candidate.usage.wall_s or searched_s),
            log=candidate.log,
            isolation=candidate.isolation,
            # One of a third party may be older than the attribute.
            rounds=getattr(engine, "rounds", False),
        )

    async def _engine(self, item: GenerateSuite) -> Engine:
        demand(item.policy, self._sandbox)
        engine = load(item.attempt.engine)
        found = await run_sync(engine.status)
        if not found.available:
            remedy = f"; {found.remedy}" if found.remedy else ""
            raise EngineError("engine-unavailable", f"{engine.name} cannot run here: {found.detail}{remedy}")
        return engine


@contextmanager
def free_of_charge() -> Generator[None]:
    """Have what fails in the body say that nothing was consumed."""
    try:
        yield
    except WorkError as error:
        error.usage = error.usage or Usage()
        raise
