"""Judges candidates for real: unpacks the snapshot, builds the environment, runs the verification in the sandbox."""

from anyio.to_thread import run_sync

from testwright.engines import Progress
from testwright.environments import Environments
from testwright.sandbox import Sandbox
from testwright.sandbox.choice import demand
from testwright.snapshots.archive import MIB, ArchiveLimits, read
from testwright.verification import Finding, Inquiry, Provenance, verify
from testwright.workspace import workspace
from testwright_schemas import VerifySuite

CANDIDATE = ArchiveLimits(max_bytes=32 * MIB, max_files=200)
"""What is taken from the archive of a candidate."""


class Bench:
    """Judges candidates on this machine.

    Args:
        sandbox: where everything runs.
        environments: builds what the module and its tests need.
    """

    def __init__(self, sandbox: Sandbox, environments: Environments) -> None:
        self._sandbox = sandbox
        self._environments = environments

    async def __call__(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        """Return what was found; see ``testwright.verifier.actor.Judge``."""
        demand(item.policy, self._sandbox)
        async with workspace(snapshot) as space:
            await progress("building the environment")
            environment = await self._environments.for_project(space.root, item.target, item.policy.python)
            inquiry = Inquiry(
                root=space.root,
                target=item.target,
                environment=environment,
                files=await run_sync(read, candidate, CANDIDATE),
                policy=item.policy,
                scratch=space.scratch,
                sandbox=self._sandbox,
                environments=self._environments,
                provenance=Provenance(
                    task_id=item.task_id,
                    engine=item.attempt.engine,
                    snapshot_digest=item.snapshot.digest,
                    candidate_digest=item.candidate.digest,
                    usage=item.usage,
                ),
                requirements=item.requirements,
            )
            return await verify(inquiry, progress)
