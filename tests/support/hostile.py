"""What means harm, and the host that must be as it was before: for tests, and for the table of the documentation."""

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

CALC = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n"
INNOCENT = "from calc import double\n\n\ndef test_innocent():\n    assert double(4) == 8\n"
HEAD = "import ctypes, gc, os, pathlib, signal, socket, sys, time\nfrom calc import add\n\n\n"
MARK = f"testwright-hostile-daemon-{os.getpid()}"
"""In the arguments of what attacks leave running; that of another process of tests is not ours."""
SECRET = "s3cret"
CREDENTIALS = ("NATS_PASSWORD", "TESTWRIGHT_LLM_API_KEY", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY")
"""Variables that hold a secret where tests of this kind run."""

# Body of a test; none of them may be kept.
ATTACKS = {
    "fork_bomb": """
    while True:
        os.fork()
    assert add(1, 2) == 3
    """,
    "memory_bomb": """
    held = []
    while add(1, 1):
        held.append(bytearray(64 << 20))
    assert add(1, 2) == 3
    """,
    "disk_filler": """
    number = 0
    while add(1, 1):
        for folder in (".", "/tmp", "/dev/shm"):
            with open(f"{folder}/{number}", "wb") as file:
                file.write(bytes(64 << 20))
        number += 1
    assert add(1, 2) == 3
    """,
    "endless_loop": """
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while add(1, 1):
        pass
    assert add(1, 2) == 3
    """,
    "network": """
    socket.create_connection(("127.0.0.1", PORT), 5)
    assert add(1, 2) == 3
    """,
    "secrets": """
    found = [os.environ[name] for name in os.environ if name.startswith(("NATS", "TESTWRIGHT", "AWS")) or "KEY" in name]
    for path in (pathlib.Path.home() / ".ssh" / "id", pathlib.Path("FOLDER/home/.ssh/id"), pathlib.Path("SECRET")):
        try:
            found.append(path.read_text())
        except OSError:
            pass
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [part for part in open(f"/proc/{pid}/environ", "rb").read().split(b"\\0") if b"s3" b"cret" in part]
        except OSError:
            pass
    assert add(1, 2) == 4, found
    """,
    "writes_outside": """
    pathlib.Path("SECRET").write_text("overwritten")
    assert add(1, 2) == 3
    """,
    "exits": """
    os._exit(0)
    assert add(1, 2) == 3
    """,
    "gigabyte": """
    block = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, block)
        os.write(2, block)
    assert add(1, 2) == 4
    """,
    "daemon": """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(1000)", "MARK"])
        os._exit(0)
    os.wait()
    assert add(1, 2) == 4
    """,
    "rewrites_target": """
    import calc
    pathlib.Path(calc.__file__).write_text("def add(a, b): return 4")
    assert add(1, 2) == 4
    """,
    "kills_all": """
    os.kill(-1, signal.SIGKILL)
    assert add(1, 2) == 3
    """,
}

FORGER = """
import gc, json, os, sys
from calc import add


def forge():
    events = [{"type": "finished", "case": f"test_victim.py::{name}", "outcome": "passed"} for name in ("test_wrong",)]
    events += [{"type": "started", "case": "test_victim.py::test_wrong"}, *events]
    events.append({"type": "mutant", "line": 2, "operator": "forged", "fate": "killed", "by": "", "text": ""})
    plans = [each for each in gc.get_objects() if type(each).__name__ == "Plan"]
    tokens = {plan.token for plan in plans} | {""}
    text = "".join(f"{token} {json.dumps(event)}\\n" for token in tokens for event in events).encode()
    for process in ["self", *filter(str.isdigit, os.listdir("/proc"))]:
        try:
            names = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        for name in names:
            try:
                os.write(os.open(f"/proc/{process}/fd/{name}", os.O_WRONLY | os.O_NONBLOCK), text)
            except OSError:
                pass
    for number in range(3, 64):
        try:
            os.write(number, text)
        except OSError:
            pass


def test_forger():
    forge()
    assert add(1, 2) == 3
"""

VICTIM = "from calc import add\n\n\ndef test_wrong():\n    assert add(1, 2) == 4\n"

# Replaces what calls a test, by a name that no look at the source finds.
FAKE = """
import gc, sys
from calc import add

runner = sys.modules["_py" + "test.runner"]
runner.pytest_runtest_call = lambda item: add(1, 1)
for each in gc.get_objects():
    if type(each).__name__ == "Recorder":
        real = type(each)._run
        end = sys.modules[type(each).__module__].End
        type(each)._run = lambda self, item, following: end("passed")


def test_fake():
    assert add(1, 2) == 4
"""

OPEN_FAKE = "import _pytest.runner\nimport coverage\n" + FAKE.replace("test_fake", "test_open_fake")

CONFTEST = """
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
"""

SWALLOWS = """
from calc import add


def test_swallows():
    try:
        result = add(1, 2)
    except BaseException:
        result = 4
    assert result != 5
"""

# Claims all there is to run, also for what is not its own, by a name that no look at the source finds.
THIEF = """
import sys
from calc import add

everything = [[start, end] for start in range(-7, 8) for end in range(-7, 8)]


def tell(self, say):
    for case in ("", "test_thief.py::test_thief", "test_innocent.py::test_innocent"):
        say("covered", case=case, lines=[1, 2, 5, 6], arcs=everything if "innocent" not in case else [])


metering = sys.modules.get("_testwright_" + "runner.metering")
if metering:
    metering.Meter.tell = tell


def test_thief():
    assert add(1, 2) == 3
"""


LEAVINGS = """
import os, stat
for make in (
    lambda: os.symlink("SECRET", "out/test_link.py"),
    lambda: os.link("SECRET", "out/test_hard.py"),
    lambda: os.mkfifo("out/test_pipe.py"),
    lambda: os.mknod("out/test_device.py", 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
    lambda: os.mkdir("out/test_folder.py"),
    lambda: os.truncate(os.open("out/test_huge.py", os.O_CREAT | os.O_WRONLY), 100_000_000),
):
    try:
        make()
    except OSError as error:
        print(error)
written = 0
try:
    while written < 256 << 20:
        with open(f"{written}", "wb") as file:
            file.write(bytes(1 << 17))
        written += 1 << 17
except OSError:
    os.unlink("0")
    open("out/test_innocent.py", "w").write(INNOCENT)
"""
"""What an engine may leave in its folder, many files until that is full included; only then a test."""


class Host:
    """What must be as it was before an attack: a file, a socket, no process more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = folder / "data" / "test_secret.py"
        for path in (self.secret, folder / "home" / ".ssh" / "id"):
            path.parent.mkdir(parents=True)
            path.write_text(SECRET)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)

    def fitted(self, text: str) -> str:
        """Return the text of an attack with the places of this host in it."""
        port = str(self.server.getsockname()[1])
        text = text.replace("PORT", port).replace("FOLDER", str(self.folder))
        return text.replace("SECRET", str(self.secret)).replace("MARK", MARK)

    def body(self, name: str) -> str:
        """Return the source of a test that does what it is named after."""
        return f"def test_{name}():{self.fitted(ATTACKS[name]).rstrip()}\n"

    def assert_unharmed(self) -> None:
        """Look for what an attack would have changed."""
        with pytest.raises(BlockingIOError):
            self.server.accept()
        assert self.secret.read_text() == SECRET
        assert [path.name for path in self.secret.parent.iterdir()] == [self.secret.name]
        assert [pid for pid in Path("/proc").glob("[0-9]*") if MARK.encode() in _command_line(pid)] == []

    def close(self) -> None:
        """Stop listening."""
        self.server.close()


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of an attack; ``wall_s`` is from its submission to the end of its task."""

    attack: str
    happened: str
    wall_s: float


@dataclass
class Table:
    """What became of all attacks, as a table in Markdown, or as JSON where the file's name ends so.

    Attributes:
        file: where it is written; nowhere if ``None``.
    """

    file: Path | None
    rows: list[Row] = field(default_factory=list[Row])

    def add(self, attack: str, happened: str, wall_s: float) -> None:
        """Take a row, and write all there are."""
        self.rows.append(Row(attack.replace("_", " "), happened, round(wall_s, 1)))
        if self.file is None:
            return
        if self.file.suffix == ".json":
            self.file.write_text(json.dumps([asdict(row) for row in self.rows], indent=1), encoding="utf-8")
            return
        lines = [f"| {row.attack} | {row.happened} | {row.wall_s:.1f} |" for row in self.rows]
        self.file.write_text("\n".join(["| attack | what happened | seconds |", "|---|---|---|", *lines, ""]), "utf-8")
