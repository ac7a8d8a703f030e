"""What reads bytes that others wrote, each as a function of bytes that returns, or raises the one error it names.

A target returns quietly for everything it takes and for everything it refuses as it should; what else leaves it is a
defect. The same targets are run by Hypothesis in every test run and by a coverage-guided fuzzer: ``just fuzz``.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec

from tests.fuzz.readers import READERS
from testwright.bus._nats_credentials import bare, credentials, public
from testwright.bus._nats_wire import denied, parse_headers
from testwright.cli import duration
from testwright.engines import _pynguin_log, _returned
from testwright.engines.openhands import lanes, outcomes, protocol
from testwright.environments import interpreters, metadata
from testwright.errors import ConnectError, EngineError, EnvironmentBuildError, SnapshotError, WorkflowDefinitionError
from testwright.sandbox import Completed
from testwright.schema_export import MESSAGES
from testwright.snapshots import archive
from testwright.timetable import fault as timetable_fault
from testwright.timetable import next_after
from testwright.verification import bundle as evidence
from testwright.verification import candidate, events, links, report
from testwright.workflow import definition
from testwright_schemas import CommandMessage, EventMessage, Timetable, WorkMessage, envelope, is_word, subjects

Target = Callable[[bytes], None]

SMALL = archive.ArchiveLimits(max_bytes=1 << 20, max_files=64)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def messages(data: bytes) -> None:
    """Every message of every queue and stream, alone and as the union that its reader expects."""
    types: tuple[Any, ...] = (*MESSAGES, CommandMessage, WorkMessage, EventMessage)
    for type_ in types:
        with suppress(msgspec.DecodeError):
            envelope.encode(envelope.decode(data, type_))


def subject_names(data: bytes) -> None:
    """Subjects name a namespace that is one word, and no task or job that is none."""
    subject = data.decode("utf-8", "replace")
    assert is_word(subjects.namespace_of(subject))
    task = subjects.task_of(subject)
    assert task is None or is_word(task)
    subjects.job_of(subject)
    subjects.is_dead(subject)


def traces(data: bytes) -> None:
    """A trace header of others is taken up or replaced, and is one of the right shape either way."""
    trace = envelope.child_trace(data.decode("latin-1"), "id")
    assert envelope.child_trace(trace, "id").split("-")[1] == trace.split("-")[1]


def wire(data: bytes) -> None:
    """Header blocks and error texts as a server sends them."""
    parse_headers(data)
    denied(data.decode("utf-8", "replace"))


def archives(data: bytes) -> None:
    """Nothing lands outside the folder, and nothing at all of a bad archive."""
    with TemporaryDirectory() as folder:
        inside = Path(folder, "inside")
        try:
            archive.unpack(data, inside, SMALL)
        except SnapshotError:
            assert not inside.exists() or not any(inside.iterdir())
        assert {path.name for path in Path(folder).iterdir()} <= {"inside"}


def runner_lines(data: bytes) -> None:
    """Lines from the judged process: an event, or none."""
    events.decode("token " + data.decode("utf-8", "replace"), "token")


def driver_lines(data: bytes) -> None:
    """Lines from the agent's process: an action that can be shown, a summary, or none."""
    line = outcomes.decode(data.decode("utf-8", "replace"))
    if isinstance(line, outcomes.Action):
        assert "\n" not in outcomes.described(line, "/workspace")


def calls(data: bytes) -> None:
    """What an agent sends to the relay is bounded before it is passed on."""
    for path in (protocol.COMPLETIONS, protocol.RESPONSES):
        with suppress(protocol.BadCallError):
            call = protocol.Call(path, data)
            assert 1 <= call.most_output <= protocol.MOST_OUTPUT
            call.body("model", is_fallback=True)


def answers(data: bytes) -> None:
    """What a model's server sends is metered as far as it can be read."""
    meter = protocol.Meter()
    meter.feed(data)
    meter.finish()
    protocol.judge(429, data)


def waits(data: bytes) -> None:
    """A provider's wait is a number of seconds, whatever it wrote."""
    assert 0 <= lanes.retry_after_s(data.decode("latin-1"), NOW) < float("inf")


def search_logs(data: bytes) -> None:
    """Pynguin's log tells of progress or of none, and of a failure with a cause."""
    for line in data.decode("utf-8", "replace").splitlines():
        _pynguin_log.report_of(line)
    done = Completed(1, data, b"", 1.0, timed_out=False, isolation="none")
    assert isinstance(_pynguin_log.failure_of(done, "module"), EngineError)


def project_files(data: bytes) -> None:
    """Whatever a project's metadata says, it needs something or is refused with the file's name."""
    text = data.decode("utf-8", "replace")
    for name in ("pyproject.toml", "setup.cfg", "requirements.txt", "module.py"):
        files = {name: text}
        with suppress(EnvironmentBuildError):
            metadata.needs(files.get, files, "module.py", "/root")


def probes(data: bytes) -> None:
    """What an interpreter of the project's says of itself is understood, or it is passed over."""
    interpreters.parse_probe(data)


def candidates(data: bytes) -> None:
    """A test file of an engine's is read or rejected."""
    candidate.read({"test_module.py": data})


def workflows(data: bytes) -> None:
    """A workflow file defines a plan or is refused with the place."""
    with suppress(WorkflowDefinitionError):
        definition.parse(data.decode("utf-8", "replace"))


def durations(data: bytes) -> None:
    """A length of time is a number of seconds or refused."""
    with suppress(ValueError):
        assert duration.parse(data.decode("utf-8", "replace")) >= 0


def bundles(data: bytes) -> None:
    """Evidence is read, with a report that can be shown, or it is no evidence; so is any one part of it."""
    with TemporaryDirectory() as folder:
        Path(folder, "evidence").write_bytes(data)
        with suppress(SnapshotError):
            evidence.read(Path(folder, "evidence"))
        for part in ("events/0001.json", evidence.REPORT):
            file = Path(folder, "unpacked", part)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        links.account(evidence.read(Path(folder, "unpacked")))
    with suppress(msgspec.DecodeError):
        report.decode(data)


def timetables(data: bytes) -> None:
    """A timetable is due later than now and again later than that, or never again, or it says what is wrong with it."""
    with suppress(msgspec.DecodeError):
        timetable = envelope.decode(data, Timetable)
        if timetable_fault(timetable) is None:
            due = next_after(timetable, NOW, NOW)
            assert due is None or due > NOW


def server_addresses(data: bytes) -> None:
    """What is given as a server's address says how to sign in, or is refused; what is shown of it holds no password."""
    address = data.decode("utf-8", "replace")
    with suppress(ConnectError):
        credentials(address)
    bare(address)
    assert "@" not in public(address)


def engine_files(data: bytes) -> None:
    """A file that an engine delivers is taken or refused with its name."""
    for name in ("test_module.py", data[:60].decode("utf-8", "replace")):
        with suppress(EngineError):
            _returned.check({name: data})
    _returned.text_of(data)


TARGETS = MappingProxyType(
    {
        target.__name__: target
        for target in (
            messages,
            subject_names,
            traces,
            wire,
            archives,
            runner_lines,
            driver_lines,
            calls,
            answers,
            waits,
            search_logs,
            project_files,
            probes,
            candidates,
            workflows,
            durations,
            bundles,
            timetables,
            server_addresses,
            engine_files,
            *READERS,
        )
    }
)
