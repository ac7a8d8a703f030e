"""Candidates, modules and snapshots that mean harm, through real workers; after each, an innocent task on the same."""

import gzip
import io
import os
import tarfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import anyio
import msgspec
import pytest

from tests.support.hostile import (
    ATTACKS,
    CALC,
    CONFTEST,
    CREDENTIALS,
    FAKE,
    FORGER,
    HEAD,
    INNOCENT,
    LEAVINGS,
    OPEN_FAKE,
    SECRET,
    VICTIM,
    Host,
    Table,
)
from tests.support.processes import POLICY as COMMON
from tests.support.processes import Child, Plant, first, local_plant
from tests.support.sandboxes import BUBBLEWRAP_WORKS
from tests.support.stage import Call
from testwright import clock
from testwright.app import Role
from testwright.errors import InvalidSubmissionError
from testwright.snapshots.bundle import Bundle, bundle
from testwright.submission import prepare
from testwright_schemas import (
    AttemptFailed,
    JobRejected,
    Policy,
    RetryPolicy,
    Snapshot,
    SuiteGenerated,
    SuiteVerified,
    Target,
    TaskFinished,
    envelope,
    subjects,
)

pytestmark = [
    pytest.mark.nats,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # One pair of workers has to bear all of it, and one attack at a time is enough for the machine.
    pytest.mark.xdist_group("hostile"),
    pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="bubblewrap is missing or may not make namespaces here"),
]

POLICY = msgspec.structs.replace(COMMON, rounds=1)
WITH_MUTANTS = msgspec.structs.replace(POLICY, mutants=True, mutants_budget_s=20.0)

LAST_S = 400.0
"""Seconds after which an attack is said to have held up its task; none takes half as long."""
AIMED = ("fork_bomb", "secrets", "daemon", "rewrites_target", "kills_all")
"""Attacks on more than the run that they are in."""

MOST_MEMORY_MB = 400
"""What a worker may ever take; at rest it takes about 100."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return a host whose workers have secrets in their environment."""
    made = Host(tmp_path_factory.mktemp("host"))
    with pytest.MonkeyPatch.context() as patch:
        for name in CREDENTIALS:
            patch.setenv(name, SECRET)
        yield made
    made.close()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    return Table(request.config.getoption("--hostile-table"))


@pytest.fixture(scope="module")
async def site(host: Host) -> AsyncIterator[tuple[Plant, dict[Role, Child]]]:
    """Start one of each actor, for all attacks."""
    async with local_plant() as plant:
        yield plant, await plant.start_all()


@dataclass
class Arena:
    """Where an attack takes place."""

    plant: Plant
    workers: dict[Role, Child]
    host: Host
    table: Table
    folder: Path

    async def attack(
        self,
        name: str,
        act: Callable[[Call], Awaitable[None]] | None,
        *,
        sources: Bundle | None = None,
        policy: Policy = POLICY,
    ) -> TaskFinished:
        """Have a task attacked, by its engine or by its sources; return its end, which came within limits."""
        began = time.monotonic()
        bundled = sources or self.project({"calc.py": CALC})
        job = await self.plant.client.submit_bundle(bundled, policy)
        if act is not None:
            await act(await self.plant.stage.call())
        ended = await self.plant.client.wait(job.tasks[0].id, timeout=LAST_S)
        took_s = time.monotonic() - began
        print(f"{name}: {happened(ended)} ({took_s:.1f} s)")  # noqa: T201  the table that -s shows
        self.table.add(name, happened(ended), took_s)
        await self.assert_unharmed(ended)
        return ended

    def project(self, files: dict[str, str]) -> Bundle:
        """Return the sources of a project."""
        root = self.folder / f"project-{len(list(self.folder.iterdir()))}"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return bundle([root / "calc.py"])

    async def assert_unharmed(self, ended: TaskFinished) -> None:
        """Look at the host, at what a task left, and whether the same workers do the next one well."""
        self.host.assert_unharmed()
        for digest in await self.artifacts(ended):
            assert SECRET.encode() not in await self.plant.client.bus.fetch(subjects.ARTIFACTS, "default", digest)
        job = await self.plant.client.submit_bundle(self.project({"calc.py": CALC}), POLICY)
        await (await self.plant.stage.call()).deliver({"test_innocent.py": INNOCENT})
        following = await self.plant.client.wait(job.tasks[0].id, timeout=LAST_S)
        assert verdicts(following) == {"test_innocent": "kept"}
        assert following.attempts == 1
        for child in self.workers.values():
            assert peak_mb(child.pid) < MOST_MEMORY_MB

    async def artifacts(self, ended: TaskFinished) -> set[str]:
        """Return the digests of all that a task has left."""
        found = {file.digest for file in (*ended.files, *filter(None, [ended.report]))}
        async with self.plant.client.watch(ended.task_id) as events:
            async for _, event in events:
                match event:
                    case SuiteGenerated() | SuiteVerified() | AttemptFailed():
                        found.update(file.digest for file in [event.log] if file)
                    case TaskFinished():
                        return found
                    case _:
                        pass
        raise AssertionError("the task has no end")


@pytest.fixture
def arena(site: tuple[Plant, dict[Role, Child]], host: Host, table: Table, tmp_path: Path) -> Arena:
    plant, workers = site
    return Arena(plant, workers, host, table, tmp_path)


def verdicts(ended: TaskFinished) -> dict[str, str]:
    return {test.id.rpartition("::")[2]: test.verdict for test in ended.tests}


def happened(ended: TaskFinished) -> str:
    judged = {name.removeprefix("test_"): verdict for name, verdict in verdicts(ended).items()}
    said = ", ".join(f"{verdict} ({name})" for name, verdict in judged.items())
    return ": ".join(filter(None, [ended.error.cause if ended.error else "", said])) or ended.outcome


def peak_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # For the table each attack has a task of its own. Otherwise one task has those that are aimed at the worker; what
    # becomes of the others is the verification's affair, whose own tests have them all.
    if "attacks" in metafunc.fixturenames:
        alone = metafunc.config.getoption("--hostile-table")
        metafunc.parametrize("attacks", [[name] for name in ATTACKS] if alone else [[*AIMED]], ids="+".join)


async def test_a_test_that_means_harm_gets_a_verdict(arena: Arena, attacks: Sequence[str]) -> None:
    async def deliver(call: Call) -> None:
        harm = {f"test_{name}.py": HEAD + arena.host.body(name) for name in attacks}
        await call.deliver({**harm, "test_innocent.py": INNOCENT})

    ended = await arena.attack(" and ".join(attacks), deliver)

    judged = verdicts(ended)
    assert judged.pop("test_innocent") == "kept"
    assert judged.keys() == {f"test_{name}" for name in attacks}
    assert set(judged.values()) <= {"failing", "unsafe", "too-slow", "suspected-bug", "order-dependent"}
    assert ended.isolation == "bubblewrap"


@pytest.mark.parametrize(
    ("name", "files", "honest"),
    [
        ("conftest that forges the report", {"conftest.py": CONFTEST, "test_victim.py": VICTIM}, {"suspected-bug"}),
        ("test that writes to the report", {"test_a.py": FORGER, "test_victim.py": VICTIM}, {"suspected-bug"}),
        ("test that patches pytest and coverage by name", {"test_a.py": OPEN_FAKE}, {"vacuous"}),
        (
            "import that writes to the report",
            {"test_a.py": FORGER.replace("def test_forger", "forge()\n\n\ndef test_f"), "test_victim.py": VICTIM},
            {"suspected-bug"},
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
async def test_a_report_is_not_forged(arena: Arena, name: str, files: dict[str, str], honest: set[str]) -> None:
    async def deliver(call: Call) -> None:
        await call.deliver({**files, "test_innocent.py": INNOCENT})

    ended = await arena.attack(name, deliver)

    judged = verdicts(ended)
    assert judged.pop("test_innocent") == "kept"
    assert judged.get("test_wrong", judged.get("test_open_fake")) in honest
    assert "kept" not in judged.values()


async def test_a_file_that_replaces_our_runner_gets_nothing_delivered(arena: Arena) -> None:
    ended = await arena.attack(
        "test that patches our runner", lambda call: call.deliver({"test_a.py": FAKE}), policy=WITH_MUTANTS
    )

    assert verdicts(ended)["test_fake"] in {"vacuous", "redundant"}
    assert ended.files == ()


@pytest.mark.parametrize(
    ("name", "files", "times"),
    [
        ("100 MB test file", {"test_huge.py": b"x = 1\n"}, 100_000_000 // 6),
        ("test file that is no UTF-8", {"test_bytes.py": b"x = '\xff'\n"}, 1),
        ("`..` in output", {"../../test_up.py": INNOCENT.encode()}, 1),
        ("absolute name in output", {"/tmp/test_up.py": INNOCENT.encode()}, 1),
        ("3,000 test files", {f"test_{number}.py": b"" for number in range(3000)}, 1),
    ],
    ids=["huge", "no-text", "up", "absolute", "many"],
)
async def test_output_that_is_no_plain_file_fails_its_task(
    arena: Arena, name: str, files: dict[str, bytes], times: int
) -> None:
    ended = await arena.attack(name, lambda call: call.deliver_bytes(files, times))

    assert ended.error is not None
    assert (ended.outcome, ended.error.cause, ended.attempts) == ("failed", "unsafe-output", 1)


async def test_what_an_engine_leaves_in_its_folder_leads_nowhere(arena: Arena) -> None:
    """Nor does it fill the disk: only who meets the end of his folder delivers anything."""
    code = arena.host.fitted(LEAVINGS).replace("INNOCENT", repr(INNOCENT))
    name = "symlink, hard link, pipe, device, 100 MB file and a full folder in output"

    ended = await arena.attack(name, lambda call: call.write(code))

    assert verdicts(ended) == {"test_innocent": "kept"}


async def test_an_output_folder_that_is_a_link_is_empty(arena: Arena) -> None:
    code = f"import os\nos.rename('out', 'was')\nos.symlink({str(arena.host.secret.parent)!r}, 'out')\n"

    ended = await arena.attack("symlink in place of the output folder", lambda call: call.write(code))

    assert ended.error is not None
    assert ended.error.cause == "nothing-generated"


TYPED = "def add(a: int, b: int) -> int:\n    return a + b\n"
MODULES = {
    "module that prints a gigabyte": 'import os\n\nfor _ in range(1024):\n    os.write(1, b"x" * (1 << 20))\n',
    "module that ends its process": "import os\n\nos._exit(0)\n",
    "module that stays": "import threading, time\n\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n",
    "module that swaps what its engine wrote": """
import atexit, os, sys


def swap():
    for folder in filter(os.path.isdir, sys.argv[1:]):
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
            os.symlink("SECRET", f"{folder}/{name}")


atexit.register(swap)
""",
}


@pytest.mark.parametrize("name", MODULES)
async def test_a_module_that_means_harm_ends_its_own_task_only(arena: Arena, name: str) -> None:
    text = arena.host.fitted(MODULES[name]) + "\n\n" + TYPED
    policy = msgspec.structs.replace(POLICY, engines=("ghostwriter",), budget_s=10.0)

    ended = await arena.attack(name, None, sources=arena.project({"calc.py": text}), policy=policy)

    if "prints" in name:
        assert verdicts(ended)
        return
    causes = {"import-failed", "nothing-generated", "engine-crashed", "nothing-kept", "timeout"}
    assert (ended.error.cause in causes) if ended.error else (set(verdicts(ended).values()) <= {"kept", "redundant"})


def tar(*members: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for each in members:
            archive.addfile(each, io.BytesIO(bytes(each.size)))
    return gzip.compress(stream.getvalue())


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = type_, link
    return made


def bomb(unpacked: int) -> bytes:
    """Return a gzip archive that unpacks to zeros."""
    deflate = zlib.compressobj(1, wbits=31)
    block = bytes(1 << 20)
    parts = [deflate.compress(block) for _ in range(unpacked >> 20)]
    return b"".join([*parts, deflate.flush()])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("zip bomb as snapshot", lambda: bomb(2 << 30)),
        ("zip bomb in a zip bomb as snapshot", lambda: gzip.compress(bomb(1 << 30))),
        ("`..` in snapshot", lambda: tar(member("calc.py"), member("../../calc.py"))),
        ("symlink in snapshot", lambda: tar(member("x", tarfile.SYMTYPE, "/etc"), member("x/calc.py"))),
        ("device in snapshot", lambda: tar(member("calc.py", tarfile.CHRTYPE))),
        ("snapshot that is no archive", lambda: os.urandom(100_000)),
    ],
    ids=["bomb", "nested", "up", "link", "device", "noise"],
)
async def test_a_snapshot_that_means_harm_fails_its_task(arena: Arena, name: str, make: Callable[[], bytes]) -> None:
    data = await anyio.to_thread.run_sync(make)
    retrying = msgspec.structs.replace(POLICY, retry=RetryPolicy(base_s=0.1, jitter=0.0, max_attempts=3))

    ended = await arena.attack(name, None, sources=sent(data), policy=retrying)

    assert ended.error is not None
    assert (ended.outcome, ended.error.cause, ended.attempts) == ("failed", "snapshot-unusable", 1)


def sent(data: bytes, path: str = "calc.py") -> Bundle:
    """Return what a client of somebody else's sends, who does not pack what ours packs."""
    snapshot = Snapshot(digest=sha256(data).hexdigest(), size=len(data), files=1)
    return Bundle(snapshot, data, (Target(module="calc", path=path),), Path(), {})


@pytest.mark.parametrize("path", ["../../../../../etc/passwd", "/etc/passwd", "a/../../calc.py"])
async def test_a_submission_that_names_a_file_elsewhere_is_refused(arena: Arena, path: str) -> None:
    honest = arena.project({"calc.py": CALC})
    with pytest.raises(InvalidSubmissionError):
        await arena.plant.client.submit_bundle(replace(honest, targets=(Target(module="calc", path=path),)), POLICY)

    client = arena.plant.client
    job, command = prepare(honest, POLICY, None, namespace="default", new_id=clock.new_id, now=clock.now())
    data = envelope.encode(command).replace(b'"path":"calc.py"', f'"path":"{path}"'.encode())
    await client.bus.put(subjects.SNAPSHOTS, "default", honest.data)
    async with client.watch() as events:
        await client.bus.publish(subjects.command(command), data, message_id=job.id)
        refused = await first(events, JobRejected)

    assert refused.job_id == job.id
    assert "path" in refused.field
