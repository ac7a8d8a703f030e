"""The only place that calls ruff: one style for what is delivered, whatever the project's configuration says."""

import shutil
from collections.abc import Sequence
from subprocess import CalledProcessError

import anyio

from testwright.settings import tool_path


async def tidy(text: str, first_party: str, version: tuple[int, int]) -> str:
    """Return a file with its imports sorted and trimmed, and formatted; as it was where ruff refuses it.

    Args:
        text: the file.
        first_party: top-level package of the project, for the order of imports.
        version: of the interpreter that it is for.
    """
    target = f"--target-version=py{version[0]}{version[1]}"
    # F401 removes unused imports; the file is run again afterwards, so one that mattered is found out.
    rules = ["--select=I,F401", "--fix-only", "--exit-zero", f'--config=lint.isort.known-first-party=["{first_party}"]']
    text = await _ruff(["check", *rules, target], text)
    return await _ruff(["format", "--config=line-length=100", target], text)


async def _ruff(command: Sequence[str], text: str) -> str:
    argv = [_binary(), *command, "--isolated", "--quiet", "--no-cache", "--stdin-filename=suite.py", "-"]
    try:
        done = await anyio.run_process(argv, input=text.encode())
    except CalledProcessError:
        return text
    return done.stdout.decode() or text


def _binary() -> str:
    # A dependency of ours: its program lies beside our interpreter.
    return shutil.which("ruff", path=tool_path()) or "ruff"
