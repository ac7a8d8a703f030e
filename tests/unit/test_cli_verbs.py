"""The command line as far as no server is needed: help, wrong usage, documents."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from testwright.cli import failing
from testwright.cli.dead import choose
from testwright.cli.root import VERBS, app, load
from testwright.errors import (
    ConnectError,
    DeadLetterNotFoundError,
    EngineError,
    InvalidSubmissionError,
    SnapshotError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from testwright_schemas import MessageDeadLettered

RUNNER = CliRunner()

COMMANDS = [
    [name, *rest]
    for name in VERBS
    for rest in {
        "auth": (["init"], ["rotate"], ["retire"]),
        "dead": (["list"], ["retry"]),
        "limits": (["show"], ["set"]),
        "schedule": (["list"], ["cancel"]),
        "schema": (["export"],),
        "topology": (["export"], ["apply"]),
        "workflow": (["run"], ["resume"], ["status"], ["watch"], ["cancel"]),
    }.get(name, ([],))
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NATS_URL", raising=False)
    monkeypatch.setenv("TESTWRIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TESTWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_verb_has_help_and_speaks_json(command: list[str]) -> None:
    shown = RUNNER.invoke(app, [*command, "--help"])

    assert shown.exit_code == 0
    assert "--json" in shown.output
    if command[0] not in {"up", "auth"}:
        assert "--server" in shown.output
        assert "--namespace" in shown.output


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_a_verb_begins_with_its_summary(name: str) -> None:
    help_text = " ".join((load(name).help or "").split())

    assert help_text.startswith(VERBS[name].summary)


def test_help_loads_no_verb() -> None:
    code = (
        "import sys; from testwright.cli import main; sys.argv[1:] = ['--help']\ntry: main()\nexcept SystemExit: pass\n"
    )
    code += "sys.exit(' '.join(m for m in sys.modules if m in {'anyio', 'nats', 'msgspec', 'rich'}) or None)"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "generate" in ended.stdout


def test_the_version_is_said() -> None:
    assert RUNNER.invoke(app, ["--version"]).output.startswith("testwright ")


def test_a_misspelt_verb_is_answered_with_the_one_that_was_meant() -> None:
    refused = RUNNER.invoke(app, ["genrate"])

    assert refused.exit_code == failing.USAGE
    assert "'generate'" in refused.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate"],
        ["generate", "x.py", "--budget", "5x"],
        ["generate", "x.py", "--priority", "urgent"],
        ["generate", "x.py", "--concurrency", "0"],
        ["generate", "x.py", "--no-such-option"],
        ["submit"],
        ["submit", "x.py", "--concurrency", "0"],
        ["submit", "x.py", "--at", "tomorrow"],
        ["submit", "x.py", "--at", "2020-01-01T00:00"],
        ["submit", "x.py", "--at", "06:30", "--every", "1h"],
        ["submit", "x.py", "--every", "0.5s"],
        ["submit", "x.py", "--cron", "61 * * * *"],
        ["submit", "x.py", "--cron", "30 6 * * *", "--time-zone", "Nowhere/Land"],
        ["submit", "x.py", "--time-zone", "UTC"],
        ["schedule"],
        ["schedule", "cancel"],
        ["status"],
        ["wait"],
        ["result"],
        ["result", "a", "b"],
        ["cancel"],
        ["retry"],
        ["list", "--state", "unheard-of"],
        ["run", "cook"],
        ["run"],
        ["dead", "retry"],
        ["dead", "retry", "--all", "letter-1"],
        ["topology", "export", "--format", "yaml"],
        ["topology", "export", "--engine", "an engine"],
        ["workflow", "run", "spec-to-production", "--root", "nowhere"],
        ["topology", "apply", "--engine", "every.>"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_refused(arguments: list[str]) -> None:
    refused = RUNNER.invoke(app, arguments)

    assert refused.exit_code == failing.USAGE
    assert "Usage:" in refused.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "nowhere.py"], "nowhere.py does not exist"),
        (["generate", "nowhere.py", "--coverage", "101"], "coverage:"),
        (["submit", "nowhere.py", "--engine", "an engine"], "engines[0]: must be letters, digits, '-' and '_'"),
        (["run", "generator", "--engine", "nope"], "no engine 'nope' here: there are echo"),
    ],
    ids=["path", "coverage", "engine", "queues"],
)
def test_what_cannot_be_submitted_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    refused = RUNNER.invoke(app, arguments)

    assert refused.exit_code == failing.USAGE
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "task-1"],
        ["list"],
        ["wait", "task-1"],
        ["result", "task-1"],
        ["watch"],
        ["cancel", "task-1"],
        ["retry", "task-1"],
        ["dead", "list"],
        ["run", "collector"],
        ["topology", "apply"],
    ],
    ids=" ".join,
)
def test_without_a_server_a_verb_says_how_to_get_one(arguments: list[str]) -> None:
    refused = RUNNER.invoke(app, [*arguments, "--json"])

    assert refused.exit_code == failing.UNUSABLE
    assert "testwright up" in refused.stderr
    assert refused.stdout == ""


def test_engines_are_listed_with_what_they_need() -> None:
    listed = RUNNER.invoke(app, ["engines", "--json"])

    echo = next(one for one in json.loads(listed.stdout) if one["name"] == "echo")
    assert echo.keys() == {"name", "summary", "available", "detail", "remedy"}
    assert echo["available"] is True
    assert "echo" in RUNNER.invoke(app, ["engines"]).stdout


def test_the_topology_is_exported_for_the_engines_that_are_asked_for() -> None:
    exported = json.loads(RUNNER.invoke(app, ["topology", "export", "--engine", "mine", "--replicas", "3"]).stdout)

    names = [consumer["config"]["name"] for consumer in exported["consumers"]]
    assert "generate-mine-high" in names
    assert {stream["num_replicas"] for stream in exported["streams"]} == {3}


def test_the_server_can_be_told_how_many_attempts_of_an_engine_it_hands_out() -> None:
    asked = ["topology", "export", "--engine", "mine", "--engine", "yours"]
    exported = json.loads(RUNNER.invoke(app, [*asked, "--at-a-time", "mine=2"]).stdout)

    pending = {consumer["config"]["name"]: consumer["config"]["max_ack_pending"] for consumer in exported["consumers"]}
    assert (pending["generate-mine-high"], pending["generate-yours-high"]) == (2, 10_000)
    assert RUNNER.invoke(app, [*asked, "--at-a-time", "theirs=2"]).exit_code == 2
    assert RUNNER.invoke(app, [*asked, "--at-a-time", "mine=none"]).exit_code == 2


def test_schemas_are_written_into_a_folder(tmp_path: Path) -> None:
    written = RUNNER.invoke(app, ["schema", "export", str(tmp_path / "schemas"), "--json"])

    assert json.loads(written.stdout) == {"written": str(tmp_path / "schemas")}
    assert (tmp_path / "schemas" / "asyncapi.json").is_file()
    assert (tmp_path / "schemas" / "json" / "task-finished.json").is_file()


def test_schemas_are_printed_where_no_folder_is_named() -> None:
    printed: dict[str, Any] = json.loads(RUNNER.invoke(app, ["schema", "export"]).stdout)

    assert printed["asyncapi"]["asyncapi"].startswith("3.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidSubmissionError("policy.coverage", "is too big"), 2),
        (SnapshotError("x.py does not exist"), 2),
        (ConnectError("no server"), 3),
        (EngineError("engine-unavailable", "no"), 3),
        (TaskNotFoundError("task-1"), 4),
        (DeadLetterNotFoundError("letter-1"), 4),
        (WaitTimeoutError("task-1", 5), 5),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert failing.exit_code(error) == code


def test_the_error_in_a_group_of_groups_is_found() -> None:
    error = TaskNotFoundError("task-1")

    assert failing.leaf(ExceptionGroup("", [ExceptionGroup("", [error])])) is error


def letter(letter_id: str) -> MessageDeadLettered:
    return MessageDeadLettered(
        namespace="default",
        letter_id=letter_id,
        stream="WORK",
        subject="work",
        sequence=1,
        consumer="verifier",
        reason="undecodable",
        deliveries=1,
        data=b"{",
    )


def test_dead_letters_are_chosen_by_id_each_once() -> None:
    kept = [letter("a"), letter("b")]

    assert choose(kept, ["b", "b"]) == [kept[1]]
    with pytest.raises(DeadLetterNotFoundError):
        choose(kept, ["c"])
