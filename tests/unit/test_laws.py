"""The house laws, as programs: each reads the sources, and each is shown to refuse a bad one."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("services", "schemas")
EVERYTHING = ("services", "schemas", "tests", "benchmarks")
MAX_LINES = 300
MAX_TEST_LINES = 400  # scenarios read top to bottom

SLEEPS = {"sleep", "sleep_until"}
TIMED_WAITS = {"move_on_after", "move_on_at", "wait_for"}
WAITS = {"wait", "get", "join", "acquire"}
SUBJECT = re.compile(r"testwright\.(command|work|event|timer)(\.|$)|TESTWRIGHT_")

# Who may break a law, and why. A new line here is a decision to be reviewed.
MAY_SLEEP = {
    "services/testwright/pacing.py": "the one place that lets time pass",
    "benchmarks/peers/procrastinate_postgres.py": "measures a system that has nothing to wait for",
}
MAY_WAIT_IN_A_LOOP = MAY_SLEEP | {
    "services/testwright/bus/_nats_feed.py": "a watchdog: it opens anew when the server's heartbeats stay away",
}
MAY_SPELL_SUBJECTS = {
    "schemas/testwright_schemas/subjects.py": "the one place that spells them",
    "schemas/testwright_schemas/_flows.py": "its part about lanes, gates and limits",
    "services/testwright/settings.py": "names of environment variables begin alike",
    "services/testwright/_telemetry.py": "a part of settings",
    "services/testwright/cli/observing.py": "its error names a variable of the environment",
}
MAY_READ_THE_ENVIRONMENT = {
    "services/testwright/settings.py": "the one reader",
    "services/testwright/verification/_runner/modes.py": "runs in the sandbox, where there is no testwright to ask",
    "services/testwright/verification/_runner/watch.py": "runs in the sandbox, too, and looks for what tests leave",
}

MAY_READ_JSON = {
    "schemas/testwright_schemas/envelope.py": "the one place that has every error of a reader be one",
    "services/testwright/collecting.py": "reads what it has just written",
    "services/testwright/workflow/runs.py": "reads what it has just written, too",
}
MAY_READ_TOML = {"services/testwright/toml.py": "the one place, for the same reason"}

Law = Callable[[ast.AST], Iterator[ast.AST]]


def called(node: ast.AST) -> str:
    """Return the last word of what a call calls, empty where the node is no call."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def sleeps(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every mention of a function that lets time pass, called or handed on."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) if name in SLEEPS:
                yield node
            case ast.Name(id=name) if name in SLEEPS:
                yield node
            case _:
                pass


def timed_loops(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every wait with a time limit inside a ``while``: it asks again and again instead of being told."""
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While):
            yield from (node for node in ast.walk(loop) if is_timed_wait(node))


def is_timed_wait(node: ast.AST) -> bool:
    name = called(node)
    if name in SLEEPS | TIMED_WAITS:
        return True
    return name in WAITS and isinstance(node, ast.Call) and any(word.arg == "timeout" for word in node.keywords)


def spelled_subjects(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every string that begins like a subject or a stream of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SUBJECT.match(node.value):
            yield node


def environment_reads(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every use of the process's environment."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
                yield node
            case ast.ImportFrom(module="os", names=names) if {"environ", "getenv"} & {name.name for name in names}:
                yield node
            case _:
                pass


def json_readers(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every use of what reads JSON and raises more than one error at what is none."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="msgspec"), attr="json"), attr="decode" | "Decoder"
            ):
                yield node
            case ast.ImportFrom(module="msgspec.json"):
                yield node
            case _:
                pass


def toml_readers(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every import of what reads TOML and raises more than one error at what is none."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if "tomllib" in {name.name for name in names}:
                yield node
            case ast.ImportFrom(module="tomllib"):
                yield node
            case _:
                pass


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def offenders(law: Law, *folders: str, allowed: dict[str, str]) -> list[str]:
    """Return where sources break a law, as ``file:line``."""
    found: list[str] = []
    for path in sources(*folders):
        name = path.relative_to(ROOT).as_posix()
        if name not in allowed:
            nodes = law(ast.parse(path.read_bytes()))
            found += [f"{name}:{getattr(node, 'lineno', 0)}" for node in nodes]
    return found


def test_only_pacing_lets_time_pass() -> None:
    assert offenders(sleeps, *EVERYTHING, allowed=MAY_SLEEP) == []


def test_nothing_waits_in_a_loop_with_a_time_limit() -> None:
    assert offenders(timed_loops, *PRODUCT, allowed=MAY_WAIT_IN_A_LOOP) == []


def test_subjects_are_spelled_in_one_place() -> None:
    assert offenders(spelled_subjects, *PRODUCT, allowed=MAY_SPELL_SUBJECTS) == []


def test_settings_is_the_only_reader_of_the_environment() -> None:
    assert offenders(environment_reads, *PRODUCT, allowed=MAY_READ_THE_ENVIRONMENT) == []


def test_what_others_wrote_is_read_in_one_place() -> None:
    assert offenders(json_readers, *PRODUCT, allowed=MAY_READ_JSON) == []
    assert offenders(toml_readers, *PRODUCT, allowed=MAY_READ_TOML) == []


def too_long(limit: int, *folders: str) -> dict[str, int]:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines()) for path in sources(*folders)}
    return {name: lines for name, lines in lengths.items() if lines > limit}


def test_modules_are_small() -> None:
    assert too_long(MAX_LINES, *PRODUCT) == {}
    assert too_long(MAX_TEST_LINES, "tests", "benchmarks") == {}
    assert too_long(50, "tests/unit")


def test_exceptions_name_files_that_exist() -> None:
    for allowed in (MAY_WAIT_IN_A_LOOP, MAY_SPELL_SUBJECTS, MAY_READ_THE_ENVIRONMENT):
        assert [name for name in allowed if not (ROOT / name).is_file()] == []


def test_import_contracts_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")

    linted = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("law", "bad"),
    [
        (sleeps, "import time\ntime.sleep(1)"),
        (sleeps, "await anyio.sleep(0.1)"),
        (sleeps, "await trio.sleep_until(deadline)"),
        (sleeps, "from asyncio import sleep"),
        (sleeps, "from time import sleep as pause"),
        (sleeps, "pause = time.sleep"),
        (timed_loops, "while not done:\n    with anyio.move_on_after(1):\n        await event.wait()"),
        (timed_loops, "while True:\n    await asyncio.wait_for(thing, 1)"),
        (timed_loops, "while not event.wait(timeout=0.1):\n    pass"),
        (timed_loops, "while True:\n    for queue in queues:\n        queue.get(timeout=1)"),
        (spelled_subjects, "subject = 'testwright.event.default.task.t1.finished'"),
        (spelled_subjects, "subject = f'testwright.work.{kind}.>'"),
        (spelled_subjects, "subject = 'testwright.timer'"),
        (spelled_subjects, "stream = 'TESTWRIGHT_EVENTS'"),
        (environment_reads, "import os\nhome = os.environ['HOME']"),
        (environment_reads, "import os\nhome = os.getenv('HOME')"),
        (environment_reads, "from os import environ"),
        (json_readers, "import msgspec\nevents = msgspec.json.Decoder(Event)"),
        (json_readers, "import msgspec\nevent = msgspec.json.decode(data, type=Event)"),
        (json_readers, "from msgspec.json import decode"),
        (toml_readers, "import tomllib"),
        (toml_readers, "from tomllib import loads"),
    ],
)
def test_a_law_refuses_what_breaks_it(law: Law, bad: str) -> None:
    assert list(law(ast.parse(bad)))


@pytest.mark.parametrize(
    ("law", "good"),
    [
        (sleeps, "await anyio.sleep_forever()"),
        (sleeps, "async for _ in pacing.beat(10):\n    await delivery.in_progress()"),
        (timed_loops, "with anyio.move_on_after(1):\n    await event.wait()"),
        (timed_loops, "while True:\n    delivery = await slot.next()"),
        (timed_loops, "while queue:\n    item = table.get(key)"),
        (spelled_subjects, "group = 'testwright.engines'"),
        (spelled_subjects, "name = 'testwright.workflow'"),
        (environment_reads, "import os\nos.getpid()"),
        (json_readers, "event = envelope.decode(data, Event)\ntext = msgspec.json.encode(event)"),
        (toml_readers, "from testwright import toml\ntoml.parse(text)"),
    ],
)
def test_a_law_lets_pass_what_keeps_it(law: Law, good: str) -> None:
    assert not list(law(ast.parse(good)))
