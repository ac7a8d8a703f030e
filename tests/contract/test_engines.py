"""The contract of engines, run on every engine that testwright ships: what holds for one holds for all."""

import ast
import contextlib
import os
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio
import pytest

from tests.support.assignments import Reports, assignment
from tests.support.scripted_llm import KEY, MODULE, create, finish, run, scripted
from testwright.engines import Assignment, Candidate, Engine, _target
from testwright.engines.registry import load
from testwright.errors import EngineError
from testwright.sandbox import Command, Completed, OnLine
from testwright_schemas import Isolation

SHOP = '''
def price(pieces: int, member: bool = False) -> int:
    """Return cents."""
    if pieces < 1:
        raise ValueError("nothing bought")
    return pieces * (90 if member else 100)


def label(name: str) -> str:
    return name.strip().upper() or "NOBODY"
'''


BUDGET_S = {"echo": 5.0, "ghostwriter": 5.0, "pynguin": 5.0, "openhands": 60.0}
"""Seconds; an agent ends before its time is over, but takes some to begin."""

WRITTEN = f'''\
import importlib


def test_it_is_the_module_that_was_asked_for():
    assert importlib.import_module("{MODULE}").__name__ == "{MODULE}"
'''


@pytest.fixture(
    params=[
        "echo",
        pytest.param("ghostwriter", marks=pytest.mark.slow),
        pytest.param("openhands", marks=pytest.mark.slow),
        pytest.param("pynguin", marks=pytest.mark.slow),
    ]
)
async def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Engine]:
    """Yield an engine; the one that needs a model has one that writes the same test for any module."""
    if request.param != "openhands":
        yield load(request.param)
        return
    for name in [name for name in os.environ if name.startswith(("TESTWRIGHT_LLM_", "TESTWRIGHT_OPENHANDS_"))]:
        monkeypatch.delenv(name)
    async with scripted(run("mkdir -p tests"), create("tests/test_written.py", WRITTEN), finish()) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "scripted")
        monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", KEY)
        yield load(request.param)


@pytest.fixture(params=["ghostwriter", "pynguin"])
def importing_engine(request: pytest.FixtureRequest) -> Engine:
    """Return an engine that runs the module (echo only reads it)."""
    return load(request.param)


async def _failure(engine: Engine, work: Assignment) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await engine.generate(work, Reports())
    return caught.value


async def test_it_delivers_tests_that_pass_on_the_module_they_were_written_for_and_reports_how_many(
    engine: Engine, tmp_path: Path
) -> None:
    work, reports = assignment(tmp_path, {"shop.py": SHOP}, "shop", budget_s=BUDGET_S[engine.name]), Reports()

    candidate = await engine.generate(work, reports)

    for name, content in candidate.files.items():
        assert re.fullmatch(r"test_\w+\.py", name)
        functions = [each for each in ast.parse(content).body if isinstance(each, ast.FunctionDef)]
        assert any(each.name.startswith("test") for each in functions)
    completed = await _run_tests(work, candidate)
    assert completed.returncode == 0, completed.stdout.decode()
    assert b"passed" in completed.stdout
    assert reports.messages
    assert reports.tests
    assert reports.tests[-1] > 0


async def test_it_understands_a_src_layout_a_folder_without_init_file_and_relative_imports(
    engine: Engine, tmp_path: Path
) -> None:
    files = {
        # The package's name for the function hides the module.
        "src/space/store/__init__.py": "from .till import till\n",
        "src/space/store/till.py": "from . import tax\n\n\ndef till(cents: int) -> int:\n    return tax.add(cents)\n",
        "src/space/store/tax.py": "def add(cents: int) -> int:\n    return cents + cents // 5 if cents > 0 else 0\n",
    }
    work = assignment(tmp_path, files, "space.store.till", import_root="src", budget_s=BUDGET_S[engine.name])

    candidate = await engine.generate(work, Reports())

    completed = await _run_tests(work, candidate)
    assert completed.returncode == 0, completed.stdout.decode()


async def test_a_module_with_nothing_in_it_yields_nothing_and_is_not_tried_again(
    engine: Engine, tmp_path: Path
) -> None:
    failure = await _failure(engine, assignment(tmp_path, {"empty.py": '"""Nothing yet."""\n'}, "empty"))

    assert failure.cause in {"nothing-to-test", "nothing-generated"}
    assert not failure.retryable


async def test_a_file_that_is_not_python_is_an_import_failure(engine: Engine, tmp_path: Path) -> None:
    failure = await _failure(engine, assignment(tmp_path, {"broken.py": "def f(:\n"}, "broken"))

    assert (failure.cause, failure.retryable) == ("import-failed", False)
    assert "broken.py" in str(failure)


async def test_a_module_that_is_not_there_is_an_import_failure(engine: Engine, tmp_path: Path) -> None:
    failure = await _failure(engine, assignment(tmp_path, {"shop.py": SHOP}, "gone"))

    assert (failure.cause, failure.retryable) == ("import-failed", False)


async def test_its_status_is_available_and_names_what_it_would_run(engine: Engine) -> None:
    status = engine.status()

    assert status.available
    assert status.detail
    assert status.remedy is None


async def test_it_is_registered_under_the_name_it_gives_itself(engine: Engine) -> None:
    assert load(engine.name).name == engine.name
    assert engine.summary


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_distribution\n", "No module named 'no_such_distribution'"),
        ("raise RuntimeError('not today')\n", "RuntimeError: not today"),
        ("import os\nos._exit(0)\n", "ends the interpreter"),
        ("import sys\nsys.exit()\n", "SystemExit"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "signal 11"),
    ],
)
async def test_a_module_that_cannot_be_imported_is_named_as_such_and_not_tried_again(
    importing_engine: Engine, tmp_path: Path, source: str, reason: str
) -> None:
    work = assignment(
        tmp_path, {"hostile.py": f"{source}\ndef f(x: int) -> int:\n    return x\n"}, "hostile", budget_s=1
    )

    failure = await _failure(importing_engine, work)

    assert (failure.cause, failure.retryable) == ("import-failed", False)
    assert reason in str(failure)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True:\n    pass\n", "still busy"),
        ("import threading\nthreading.Thread(target=threading.Event().wait).start()\n", "leaves threads behind"),
    ],
)
async def test_a_module_whose_import_does_not_end_is_named_as_such_and_not_tried_again(
    importing_engine: Engine, tmp_path: Path, source: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_target, "IMPORT_WALL_S", 3.0)
    work = assignment(tmp_path, {"hostile.py": f"{source}\ndef f(x: int) -> int:\n    return x\n"}, "hostile")

    failure = await _failure(importing_engine, work)

    assert (failure.cause, failure.retryable) == ("import-failed", False)
    assert reason in str(failure)


async def test_a_module_too_big_to_import_is_out_of_memory(importing_engine: Engine, tmp_path: Path) -> None:
    source = "TABLE = bytearray(1 << 36)\n\n\ndef f(x: int) -> int:\n    return TABLE[x]\n"

    failure = await _failure(importing_engine, assignment(tmp_path, {"huge.py": source}, "huge"))

    assert (failure.cause, failure.retryable) == ("out-of-memory", False)


@pytest.mark.slow
async def test_every_run_of_an_engine_has_limits(importing_engine: Engine, tmp_path: Path) -> None:
    work = assignment(tmp_path, {"shop.py": SHOP}, "shop", budget_s=2)
    recorder = _Recorder(work)

    await importing_engine.generate(recorder.assignment, Reports())

    assert recorder.commands
    for command in recorder.commands:
        assert command.limits.wall_s <= work.policy.timeout_s
        assert command.limits.memory_mb is not None
        assert not command.network
        assert command.limits.disk_mb is not None or not command.writable
        own = [*command.writable, *command.private]
        assert own
        assert all(folder.is_relative_to(work.scratch) for folder in own)


@pytest.mark.slow
async def test_cancelling_it_ends_everything_it_started(importing_engine: Engine, tmp_path: Path) -> None:
    started = anyio.Event()
    source = f"def f(x: int) -> int:\n    return x\n\n\nMARKER = {tmp_path.name!r}\n"
    work = assignment(tmp_path, {"shop.py": source}, "shop", budget_s=60)
    recorder = _Recorder(work, started)

    async with anyio.create_task_group() as group:
        group.start_soon(importing_engine.generate, recorder.assignment, Reports())
        await started.wait()
        assert list(_processes_of(work.scratch))
        group.cancel_scope.cancel()

    assert list(_processes_of(work.scratch)) == []


class _Recorder:
    """A sandbox in front of another one: keeps the commands, and tells when the engine's own (second) run has begun."""

    def __init__(self, work: Assignment, started: anyio.Event | None = None) -> None:
        self._inner = work.sandbox
        self._started = started
        self.isolation: Isolation = work.sandbox.isolation
        self.commands: list[Command] = []
        self.assignment = Assignment(
            target=work.target,
            root=work.root,
            scratch=work.scratch,
            environment=work.environment,
            policy=work.policy,
            sandbox=self,
            environments=work.environments,
        )

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        self.commands.append(command)
        if self._started is None or len(self.commands) == 1:
            return await self._inner.run(command, on_line)
        return await self._run_and_tell(command, self._started)

    async def _run_and_tell(self, command: Command, started: anyio.Event) -> Completed:
        # A run that speaks first and then lives for ever stands for one that is in the middle of its work.
        speak = "import sys, time; print('begun', flush=True); time.sleep(3600)"
        endless = Command(
            argv=[command.argv[0], "-c", speak, str(command.cwd)],
            cwd=command.cwd,
            env=command.env,
            readable=command.readable,
            writable=command.writable,
            limits=command.limits,
        )

        async def on_line(line: str) -> None:
            assert line == "begun"
            started.set()

        return await self._inner.run(endless, on_line)


def _processes_of(scratch: Path) -> Iterator[int]:
    """Yield the processes that name this folder on their command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(scratch).encode() in (entry / "cmdline").read_bytes():
                    yield int(entry.name)


async def _run_tests(work: Assignment, candidate: Candidate) -> Completed:
    """Run a candidate with this interpreter's pytest, in the sandbox."""
    for name, content in candidate.files.items():
        (work.scratch / name).write_bytes(content)
    prefixes = [prefix for prefix in work.environment.prefixes if prefix.exists()]
    return await work.sandbox.run(
        Command(
            argv=[str(work.environment.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *candidate.files],
            cwd=work.scratch,
            env={"PYTHONPATH": str(work.root / work.target.import_root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            readable=[work.root, *prefixes],
            writable=[work.scratch],
        )
    )
