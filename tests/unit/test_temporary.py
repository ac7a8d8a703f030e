"""Temporary folders go, those of killed processes too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testwright import temporary

MAKE = """
import sys
from testwright import temporary
folder = temporary.folder()
open(folder.name + "/file", "w").close()
print(folder.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


def started(base: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", MAKE],
        env={**os.environ, "TMPDIR": str(base)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().rstrip("\n"))


def test_a_process_that_ends_leaves_nothing(base: Path) -> None:
    with started(base) as process:
        assert (told(process) / "file").exists()

    assert process.returncode == 0
    assert list(base.iterdir()) == []


def test_what_a_killed_process_left_goes_when_the_next_one_makes_a_folder(base: Path) -> None:
    with started(base) as killed:
        left = told(killed)
        killed.send_signal(signal.SIGKILL)
    assert (left / "file").exists()

    with started(base) as process:
        made = told(process)
        assert [home / made.name for home in base.iterdir()] == [made]


def test_what_a_living_process_uses_stays(base: Path) -> None:
    with started(base) as living:
        used = told(living)
        temporary.sweep(base)
        assert (used / "file").exists()


def test_only_homes_of_ours_are_swept(base: Path) -> None:
    (base / "testwright-run-link").symlink_to(base / "elsewhere")
    (base / "elsewhere").mkdir()
    (base / "testwright-run-file").write_text("")
    (base / "testwright-run-dead").mkdir()

    temporary.sweep(base)

    assert {path.name for path in base.iterdir()} == {"testwright-run-link", "elsewhere", "testwright-run-file"}
