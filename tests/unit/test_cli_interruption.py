"""Which signals are taken, and what becomes of what is said when nobody can see it any more."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from testwright.cli import interruption

SAY = """
import os, sys
from testwright.cli.interruption import let_go
sys.stdin.readline()
let_go([2])
os.write(2, b"lost")
os.write(1, b"said")
"""


@pytest.fixture
def hangup() -> Generator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_an_interrupt_while_the_command_line_is_loaded_ends_it_as_quietly_as_later(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-m", "testwright", "list"], env=environment, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.usefixtures("hangup")
def test_the_end_of_the_terminal_is_a_signal_like_others_except_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert set(interruption.taken()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert set(interruption.taken()) == {signal.SIGINT, signal.SIGTERM}


def test_what_is_said_to_a_terminal_that_is_gone_goes_nowhere() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        os.close(ours)
        out, _ = process.communicate(b"go\n")

    assert (process.returncode, out) == (0, b"said")
