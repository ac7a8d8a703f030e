"""The echo engine: no engine at all, for dry runs and for tests of everything around engines."""

from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._target import last_part, public_names, read_target
from testwright.errors import EngineError

_TEMPLATE = '''\
"""Smoke test of {module}: it can be imported and defines what its source says."""

import importlib


def test_module_defines_its_public_names():
    module = importlib.import_module({module!r})
    missing = [name for name in {names!r} if not hasattr(module, name)]
    assert missing == []
'''


class EchoEngine(Engine):
    """Writes one true test at once, from the source alone; starts no process."""

    name = "echo"
    summary = "one smoke test, at once; starts no process"
    needs_environment = False
    charges = False

    def status(self) -> EngineStatus:
        """Say that it always runs."""
        return EngineStatus(available=True, detail="built in")

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Write the test.

        Raises:
            EngineError: the target is missing or does not parse (``import-failed``), or defines no public name
                (``nothing-to-test``).
        """
        module = assignment.target.module
        names = public_names(await read_target(assignment))
        if not names:
            raise EngineError("nothing-to-test", f"{module} defines no public name")
        await progress(f"{len(names)} public names", tests=1)
        text = _TEMPLATE.format(module=module, names=names)
        return Candidate(files={f"test_{last_part(module)}.py": text.encode()})
