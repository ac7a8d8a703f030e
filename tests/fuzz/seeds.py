"""What fuzzing starts from: for each target a few inputs that it takes."""

import struct
from collections.abc import Iterator
from pathlib import Path

from testwright.snapshots import archive

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "messages" / "v1"


DEEP = b"[" * 3000 + b"]" * 3000
"""Brackets that no reader can follow; the next are so deep that reading is possible, and looking at each is not."""

_HALF_DEEP = b"[" * 700 + b"]" * 700

POISONS = (DEEP, _HALF_DEEP, b'"x":' + DEEP + b",", b'"x":' + _HALF_DEEP + b",", b"\xff", b"\\ud800", b"9" * 5000)
"""What does no harm in the middle of noise, and may in the middle of what is good."""

_MARKS = b'{["=:'
_MOST_MARKS = 20


def poisoned(seed: bytes) -> Iterator[bytes]:
    """Yield inputs that are a good one but for one thing that is nested too deep, too long or no text."""
    yield from POISONS
    for name in (b"x = " + DEEP, b"x = " + _HALF_DEEP, b"x." * 3000 + b"x = 1"):
        yield name + b"\n" + seed
    places = [place + 1 for place, byte in enumerate(seed) if byte in _MARKS][:_MOST_MARKS]
    for place in places:
        for poison in POISONS:
            yield seed[:place] + poison + seed[place:]


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
        b'{"n":{},"stream":[],"max_tokens":{},"background":[]}',
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
    "bundles": [
        archive.pack({"events/0001.json": b"{}", "report.json": b"{}", "suite/test_a.py": b"x = 1\n"}),
        Path(GOLDEN, "task-finished.json").read_bytes(),
        b'{"verdicts":[],"coverage":{"line":1.0}}',
    ],
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
    "ack_subjects": [
        b"$JS.ACK.EVENTS.collector.1.12.3.1767323045000000000.0",
        b"$JS.ACK.hub.hash.EVENTS.collector.1.12.3.1767323045000000000.0.token",
        b"$JS.ACK.EVENTS",
        b"$JS.ACK.EVENTS.collector.1.12.3." + b"9" * 30 + b".0",
        b"$JS.ACK.EVENTS.collector.1.12.3." + b"9" * 5000 + b".0",
    ],
    "object_entries": [
        b'{"name":"n","bucket":"b","nuid":"a-1","size":3,"chunks":1,"digest":"SHA-256=x"}',
        b'{"name":"n","bucket":"b","nuid":"a-1\\n","size":3,"chunks":-1,"digest":"SHA-256=x"}',
    ],
    "ends": [
        b'{"server":{"id":"S"},"client":{"id":5,"name":"worker"}}',
        b'{"connection":"S/5","ack":"$JS.ACK.a.b.1.1.1.1.0","others":["$JS.ACK.a.b.1.2.2.2.0"]}',
    ],
    "stored_events": [Path(GOLDEN, f"{name}.json").read_bytes() for name in ("task-submitted", "job-submitted")],
    "requests": [
        b'{"snapshot":"' + b"a" * 64 + b'","targets":[],"policy":{}}',
        b"limit=5&state=running&wait=1&after=3",
        "²".encode("latin-1"),
        b"9" * 5000,
    ],
    "shown_reports": [b'{"covered_lines":[1],"survivors":[],"verdicts":[]}'],
    "agent_answers": [b'{"exit_code":0,"stdout":"/tmp/x","stderr":null}', b'{"exit_code":2,"stderr":"no such file"}'],
    "agent_events": [
        b'{"kind":"ActionEvent","id":"1","tool_name":"terminal","action":{"command":"ls secret"},"summary":"s"}',
        b'{"kind":"ConversationErrorEvent","id":"2","code":"c","detail":"the secret"}',
        b'{"kind":"ConversationStateUpdateEvent","id":"3","key":"stats","value":{"usage_to_metrics":{"a":{}}}}',
        b'{"kind":"ConversationStateUpdateEvent","id":"4","key":"full_state","value":{"execution_status":"idle"}}',
    ],
    "remembered_answers": [
        b'{"model":"m","messages":[{"role":"user","content":["at 10:00:01 in /tmp/x1 0xabcdef"]}],"max_tokens":5}',
        b'{"at":0,"key":"k","model":"m","status":200,"kind":"application/json","body":"{}"}',
    ],
    "records": [b'{"request":"{}","status":200,"headers":{"content-type":"x"},"body":"@workspace@"}\n'],
    "judged_lines": [
        b'{"type":"started","case":"test_m.py::test_a"}',
        b'{"type":"finished","case":"test_m.py::test_a","outcome":"passed","reason":"\\udc80","touched":[]}',
        b'{"type":"collected","cases":["test_m.py::test_a"]}\n{"type":"ended"}',
        b'{"type":"covered","case":"","lines":[1],"arcs":[[1,2]]}',
        b'{"outcome":"failed","kind":"assertion","reason":"r","detail":"d","touched":["f"]}',
        b'{"outcome":["failed"],"touched":5}',
    ],
    "carried": [struct.pack(">HHQ", 0, 3, 2) + b"a/bxy", struct.pack(">HHQ", 0, 4, 2) + b"../bxy"],
    "varied_lines": [b'{"index":0,"lines":["x = 1","assert x == 1"],"seen":["1"]}'],
    "engine_files": [b"def test_a():\n    assert True\n"],
}
