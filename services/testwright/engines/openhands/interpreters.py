"""Whether there is an interpreter for the SDK, found without starting any of those there are."""

import shutil
import sys
from collections.abc import Sequence

from testwright.settings import pyenv_versions, tool_path, uv_pythons


def has_interpreter(minors: Sequence[str]) -> bool:
    """Say whether one of these minor versions (``"3.12"``) is this one, on the ``PATH``, or kept by pyenv or uv."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" in minors:
        return True
    return any(
        shutil.which(f"python{minor}", path=tool_path())
        or any(pyenv_versions().glob(f"{minor}.*/bin/python"))
        or any(uv_pythons().glob(f"cpython-{minor}.*/bin/python{minor}"))
        for minor in minors
    )
