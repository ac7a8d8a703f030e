"""Tests that mean harm, each judged by the real verification beside one that does not."""

import json
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.sandboxes import BUBBLEWRAP_WORKS
from tests.support.verification import find, inquiry, verdicts
from testwright.sandbox import Command, Completed, OnLine, Sandbox
from testwright.sandbox.local import LocalSandbox
from testwright.verification import Finding, Inquiry
from testwright_schemas import Isolation, Policy

pytestmark = pytest.mark.slow
bubblewrap = pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="bubblewrap is missing or may not make namespaces here")

CALC = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n"
INNOCENT = "from calc import double\n\n\ndef test_innocent():\n    assert double(4) == 8\n"
HEAD = "import ctypes, gc, os, pathlib, signal, socket, sys, time\nfrom calc import add\n\n\n"
MARK = "testwright-hostile-daemon"

# Body of a test, and the verdicts that it may get: none of them is "kept".
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
    for path in (pathlib.Path.home() / ".ssh", pathlib.Path("SECRET")):
        found += path.parent.glob(path.name)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [part for part in open(f"/proc/{pid}/environ", "rb").read().split(b"\\0") if b"s3cret" in part]
        except OSError:
            pass
    assert found and add(1, 2) == 3
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


class Host:
    """What must be as it was before an attack."""

    def __init__(self, folder: Path) -> None:
        self.secret = folder / "data" / "secret"
        self.secret.parent.mkdir(parents=True)
        self.secret.write_text("s3cret")
        self.connections = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)

    def body(self, name: str) -> str:
        port = str(self.server.getsockname()[1])
        text = ATTACKS[name].replace("PORT", port).replace("SECRET", str(self.secret)).replace("MARK", MARK)
        return f"def test_{name}():{text.rstrip()}\n"

    def assert_unharmed(self) -> None:
        with pytest.raises(BlockingIOError):
            self.server.accept()
        assert self.secret.read_text() == "s3cret"
        assert [pid for pid in Path("/proc").glob("[0-9]*") if MARK.encode() in _command_line(pid)] == []


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    for name in ("NATS_URL", "TESTWRIGHT_LLM_API_KEY", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
    made = Host(tmp_path / "host")
    yield made
    made.server.close()


class Tight(Sandbox):
    """Runs what another sandbox runs, within limits that are soon reached."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner

    @property
    def isolation(self) -> Isolation:
        """The level of the other sandbox."""
        return self._inner.isolation

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run with less."""
        limits = replace(command.limits, processes=64, scratch_mb=160, group_mb=2048)
        return await self._inner.run(replace(command, limits=limits), on_line)


async def assert_next_is_judged(folder: Path) -> None:
    """Judge an innocent test after others: the next task must not know of them."""
    policy = Policy(repeats=1, mutants=False)
    asked = await inquiry(folder / "next", {"calc.py": CALC}, "calc", {"test_innocent.py": INNOCENT}, policy)
    assert verdicts(await find(asked)) == {"test_innocent": "kept"}


async def judged(folder: Path, files: Mapping[str, str], policy: Policy | None = None) -> tuple[Inquiry, Finding]:
    """Judge tests of ours beside an innocent one, which must be kept."""
    files = {**files, "test_innocent.py": INNOCENT}
    asked = await inquiry(
        folder, {"calc.py": CALC}, "calc", files, policy or Policy(repeats=1, mutants=False, timeout_s=3000)
    )
    began = time.monotonic()
    asked = replace(asked, sandbox=Tight(asked.sandbox), case_limit_s=1.0)
    finding = await find(asked)
    for case in finding.cases:
        print(f"{case.id.rpartition('::')[2]:32} {case.verdict:16} {case.reason[:70]}")  # noqa: T201  the table that -s shows
    print(f"{len(files)} files in {time.monotonic() - began:.1f} s")  # noqa: T201  as above
    assert verdicts(finding)["test_innocent"] == "kept"
    await assert_next_is_judged(folder)
    return asked, finding


@bubblewrap
async def test_harm_is_contained_and_judged(tmp_path: Path, host: Host) -> None:
    files = {f"test_{name}.py": HEAD + host.body(name) for name in ATTACKS}
    files["test_huge.py"] = "x = 1\n" * (100_000_000 // 6)
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize

    asked, finding = await judged(tmp_path, files)

    host.assert_unharmed()
    assert asked.sandbox.isolation == "bubblewrap"
    assert {name: verdict for name, verdict in verdicts(finding).items() if verdict == "kept"} == {
        "test_innocent": "kept"
    }
    assert verdicts(finding)["test_huge.py"] == "not-collected"
    assert len(finding.cases) == len(ATTACKS) + 2
    assert len(finding.report) < 1_000_000
    assert (asked.root / "calc.py").read_text() == CALC
    assert free - os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 512 << 20


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


async def test_reports_cannot_be_forged(tmp_path: Path, host: Host) -> None:
    files = {
        "conftest.py": CONFTEST,
        "test_a_open_fake.py": OPEN_FAKE,
        "test_a_forger.py": FORGER,
        "test_a_import_forger.py": FORGER.replace("def test_forger", "forge()\n\n\ndef test_import_forger"),
        "test_swallows.py": SWALLOWS,
        "test_thief.py": THIEF,
        "test_victim.py": VICTIM,
    }

    _, finding = await judged(tmp_path, files, Policy(repeats=1, mutants_budget_s=20, timeout_s=3000))

    found = verdicts(finding)
    assert found["test_wrong"] in {"suspected-bug", "order-dependent"}
    assert found["test_forger"] == found["test_import_forger"] == "unsafe"
    assert found["test_open_fake"] == found["test_swallows"] == "vacuous"
    mutants = json.loads(finding.report)["mutants"]
    assert mutants
    assert {mutant["operator"] for mutant in mutants}.isdisjoint({"forged"})


async def test_a_file_that_replaces_the_runner_gets_nothing_delivered(tmp_path: Path) -> None:
    policy = Policy(repeats=1, mutants_budget_s=20, timeout_s=3000)
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_a.py": FAKE, "test_b.py": VICTIM}, policy)

    finding = await find(asked)

    assert "kept" not in verdicts(finding).values()
    assert finding.files == {}


async def test_without_bubblewrap_the_next_task_still_finds_the_host_unharmed(tmp_path: Path, host: Host) -> None:
    names = ("endless_loop", "daemon", "exits", "rewrites_target")
    asked = await inquiry(
        tmp_path,
        {"calc.py": CALC},
        "calc",
        {f"test_{name}.py": HEAD + host.body(name) for name in names} | {"test_innocent.py": INNOCENT},
        Policy(repeats=1, mutants=False),
    )

    finding = await find(replace(asked, sandbox=LocalSandbox(allow_bubblewrap=False)))

    host.assert_unharmed()
    assert finding.isolation == "process-group"
    assert [name for name, verdict in verdicts(finding).items() if verdict == "kept"] == ["test_innocent"]
    assert (asked.root / "calc.py").read_text() == CALC
    await assert_next_is_judged(tmp_path)
