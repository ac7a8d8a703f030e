"""What fuzzing starts from: for each target a few inputs that it takes."""

from pathlib import Path

from testwright.snapshots import archive

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "messages" / "v1"


def seeds(target: str) -> list[bytes]:
    """Return inputs that the target takes; one that is empty where it has no better."""
    return _SEEDS.get(target, [b""])


_PYPROJECT = b"""\
[project]
name = "p"
dependencies = ["attrs>=23", "x[y]; python_version < '3'"]
requires-python = ">=3.9"
"""
_SETUP = b"[options]\ninstall_requires =\n    attrs>=23 # why\npython_requires = >=3.9\n"
_WORKFLOW = b"""\
name = "check"
[stages.tests]
run = ["pytest", "-q"]
timeout = 60
[stages.generate]
generate = ["src"]
[stages.collect]
collect = "generate"
needs = ["tests"]
"""
_ANSWER = b"""\
data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}

data: [DONE]
"""

_SEEDS: dict[str, list[bytes]] = {
    "messages": [path.read_bytes() for path in sorted(GOLDEN.glob("*.json"))],
    "subject_names": [
        b"testwright.event.default.task.t-1.finished",
        b"testwright.work.generate.echo.high.default.t-1.1",
        b"testwright.timer.due.default.t-1.retry-1",
        b"testwright.event.default.dead.l-1.lettered",
    ],
    "traces": [b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"],
    "wire": [b"NATS/1.0 503\r\nNats-Stream: S\r\n\r\n", b'Permissions Violation for Publish to "a.b"'],
    "archives": [archive.pack({"a.py": b"x = 1\n", "b/c.py": b"y = 2\n"})],
    "runner_lines": [
        b'{"type":"finished","case":"t::a","outcome":"passed"}',
        b'{"type":"covered","case":"","lines":[1],"arcs":[[1,2]]}',
    ],
    "driver_lines": [b'{"kind":"action","iteration":1,"tool":"terminal","command":"ls"}'],
    "calls": [
        b'{"model":"m","messages":[],"stream":true,"max_tokens":5}',
        b'{"model":"m","input":"x","max_output_tokens":5}',
    ],
    "answers": [_ANSWER, b'{"usage":{"input_tokens":3,"output_tokens":4},"output":[{"content":[{"type":"refusal"}]}]}'],
    "waits": [b"5", b"1e3", b"Wed, 21 Oct 2026 07:28:00 GMT", b"1 Oct 2 0:0011111111111 GMT"],
    "search_logs": [b"INFO Iteration: 3, Coverage: 0.5\nWritten 4 test cases\nImportError: x\nFailed to load SUT"],
    "project_files": [
        _PYPROJECT,
        _SETUP,
        b"-r other.txt\n-e .\nattrs==23.1 # why\n--find-links ./wheels\n",
        b"# /// script\n# dependencies = ['attrs']\n# ///\n",
    ],
    "probes": [b'{"version":[3,12,1],"executable":"/p","base":"/b","prefixes":[],"site_packages":"/s","path":[]}'],
    "candidates": [
        b"import m\ndef test_a():\n    assert m.f(1) == 2\nclass TestB:\n    def test_c(self):\n        assert m\n"
    ],
    "workflows": [_WORKFLOW],
    "durations": [b"1h30m", b"90s", b"0.5"],
    "bundles": [archive.pack({"events/0001.json": b"{}", "report.json": b"{}", "suite/test_a.py": b"x = 1\n"})],
    "timetables": [
        b'{"cron":"30 3 * * *","time_zone":"Europe/Warsaw"}',
        b'{"cron":"5 30 3 29 2 *"}',
        b'{"every_s":60}',
        b'{"every_s":1e300}',
        b'{"at":"9999-12-31T23:59:59-12:00"}',
        b'{"at":"2026-03-01T00:00:00Z"}',
    ],
    "server_addresses": [
        b"nats://user:pass@127.0.0.1:4222",
        b"nats://token@host?inbox=_INBOX_x",
        b"tls://[::1]:4222,nats://b:4222?credentials=/none",
    ],
    "engine_files": [b"def test_a():\n    assert True\n"],
}
