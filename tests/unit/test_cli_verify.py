"""The verb verify, as far as nothing need be run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from typer.testing import CliRunner

from tests.support import evidence
from testwright.cli.root import app
from testwright.snapshots import archive
from testwright.verification.bundle import Bundle
from testwright_schemas import Mutation

RUNNER = CliRunner()
SOURCES = archive.pack({"shop.py": b"X = 1\n"})
SUITE = {"test_shop.py": b"def test_a():\n    assert 1\n"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NATS_URL", raising=False)
    monkeypatch.setenv("TESTWRIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TESTWRIGHT_CACHE", str(tmp_path / "cache"))


def written(folder: Path, bundle: Bundle) -> str:
    path = folder / "b.tar.gz"
    path.write_bytes(bundle.pack())
    return str(path)


def test_a_bundle_that_was_tampered_with_is_refused_before_anything_runs(tmp_path: Path) -> None:
    bundle = evidence.bundle(SOURCES, SUITE, evidence.report(SOURCES, SUITE))

    ended = RUNNER.invoke(app, ["verify", written(tmp_path, replace(bundle, suite={"test_shop.py": b"pass\n"}))])

    assert ended.exit_code == 1
    assert ended.stdout == ("differs: test_shop.py is not the file that was verified\nthe evidence does not hold\n")


def test_a_damaged_bundle_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(b"no archive")

    ended = RUNNER.invoke(app, ["verify", str(tmp_path / "b.tar.gz"), "--json"])

    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["holds"] is False


def test_a_result_without_a_suite_holds_if_its_digests_do(tmp_path: Path) -> None:
    made = changed(evidence.report(SOURCES, {}), coverage=None, mutation=Mutation(), verdicts=())

    ended = RUNNER.invoke(app, ["verify", written(tmp_path, evidence.bundle(SOURCES, {}, made)), "--json"])

    assert ended.exit_code == 0
    told = json.loads(ended.stdout)
    assert told["holds"] is True
    assert "no suite" in told["notes"][0]


def test_what_is_not_there_is_not_found() -> None:
    assert RUNNER.invoke(app, ["verify", "nowhere/b.tar.gz"]).exit_code == 4


def test_a_report_must_say_its_form_by_its_name() -> None:
    ended = RUNNER.invoke(app, ["result", "task-1", "--report", "evidence.pdf"])

    assert ended.exit_code == 2
    assert ".html" in ended.output
