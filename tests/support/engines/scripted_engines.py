"""Engines that do what a test tells them to, in actors that run as processes of their own.

``generate`` calls the test through the socket that ``TESTWRIGHT_TEST_STAGE`` names, and is held until it is answered;
see ``tests.support.stage``. A third party's engine gets into testwright in no other way than these do.
"""

import os
import sys
from base64 import b64decode
from typing import Any

import anyio
import msgspec
from anyio import to_thread
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._returned import python_below
from testwright.errors import EngineError
from testwright.sandbox import Command, Limits

MAX_LINE = 100_000


class Scripted(Engine):
    """Does what it is told, once it is told."""

    name = "scripted"
    summary = "does what a test tells it to"
    needs_environment = False
    rounds = True

    def status(self) -> EngineStatus:
        """Say that it always runs."""
        return EngineStatus(available=True, detail="for tests only")

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Call the test and do what it answers.

        Raises:
            EngineError: the test says so.
        """
        async with await anyio.connect_unix(os.environ["TESTWRIGHT_TEST_STAGE"]) as stage:
            hello = {
                "engine": self.name,
                "module": assignment.target.module,
                "pid": os.getpid(),
                "brief": assignment.brief,
            }
            await stage.send(msgspec.json.encode(hello) + b"\n")
            answer: dict[str, Any] = msgspec.json.decode(
                await BufferedByteReceiveStream(stage).receive_until(b"\n", MAX_LINE)
            )
            match answer:
                case {"fail": cause, "retryable": retryable}:
                    raise EngineError(str(cause), "the test said so", retryable=bool(retryable))
                case {"spin": token}:
                    return await self._spin(assignment, str(token), stage)
                case {"write": code}:
                    return await self._written(assignment, str(code))
                case {"bytes": files, "times": times}:
                    return Candidate(files={name: b64decode(data) * int(times) for name, data in files.items()})
                case _:
                    return Candidate(files={name: text.encode() for name, text in answer["deliver"].items()})

    async def _written(self, assignment: Assignment, code: str) -> Candidate:
        """Run code in the sandbox, and take back what it leaves in ``out``, as the product's own engines do."""
        out = assignment.scratch / "out"
        out.mkdir()
        command = Command(
            [sys.executable, "-I", "-S", "-c", code],
            cwd=assignment.scratch,
            readable=assignment.environment.prefixes,
            writable=[assignment.scratch],
            limits=Limits(wall_s=20.0, disk_mb=64),
        )
        done = await assignment.sandbox.run(command)
        files = dict(await to_thread.run_sync(lambda: list(python_below(assignment.scratch, "out"))))
        return Candidate(files=files, log=done.stderr, isolation=done.isolation)

    async def _spin(self, assignment: Assignment, token: str, stage: anyio.abc.SocketStream) -> Candidate:
        """Busy a parent and a child in the sandbox for ever, and say when both run."""

        async def tell(line: str) -> None:
            await stage.send(line.encode() + b"\n")

        argv = [sys.executable, "-I", "-S", "-c", _SPIN, token]
        prefixes = (*assignment.environment.prefixes, assignment.scratch)
        await assignment.sandbox.run(Command(argv, cwd=assignment.scratch, readable=prefixes), tell)
        raise EngineError("spun-out", "the loop ended")


class Understudy(Scripted):
    """Another engine of the same kind, for tasks that have a second choice."""

    name = "understudy"


_SPIN = """
import os
if os.fork():
    print("spinning", flush=True)
while True:
    pass
"""
