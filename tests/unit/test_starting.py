"""A process starts quickly: it loads what it takes, and nothing else."""

import subprocess
import sys

import pytest

VERBS = "import testwright.cli.tasks, testwright.cli.results"
BUILD = """
from typing import Any
from testwright import app, settings
from testwright.cli import run
bus: Any = object()
app.build({role!r}, bus, settings.load(), app.Options())
"""
HEAVY = {
    "packaging",
    "pathspec",
    "rich",
    "testwright.environments.uv",
    "testwright.verification",
    "testwright.workflow",
}


def loaded(script: str) -> set[str]:
    """Return the modules that a new process has after a script."""
    command = [sys.executable, "-c", f"{script}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("script", "takes"),
    [
        (VERBS, set[str]()),
        (BUILD.format(role="collector"), set[str]()),
        (BUILD.format(role="submitter"), set[str]()),
        (BUILD.format(role="generator"), {"packaging", "testwright.environments.uv"}),
    ],
    ids=["verbs", "collector", "submitter", "generator"],
)
def test_a_process_loads_what_it_takes_and_nothing_else(script: str, takes: set[str]) -> None:
    assert HEAVY & loaded(script) == takes
