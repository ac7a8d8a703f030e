"""Builds what every verification needs into the cache, for an image: no task then waits for it, nor needs an index."""

import tempfile
from pathlib import Path

import anyio

from testwright import settings
from testwright.environments.uv import UvEnvironments
from testwright.verification.runs import CLOCK, PINS
from testwright_schemas import Target


async def warm() -> None:
    """Build the environment of a project that depends on nothing, and what its tests are run with."""
    environments = UvEnvironments(settings.load().cache)
    with tempfile.TemporaryDirectory() as folder:
        await anyio.Path(folder, "empty.py").touch()
        environment = await environments.for_project(Path(folder), Target(module="empty", path="empty.py"), None)
    await environments.overlay("verification", PINS, like=environment)
    await environments.overlay("clock", (CLOCK,), like=environment)


if __name__ == "__main__":
    anyio.run(warm)
