"""A bundle whose parts do not belong together is refused, whatever was changed in it."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.support import evidence
from testwright.errors import SnapshotError
from testwright.snapshots import archive
from testwright.verification import bundle as bundles
from testwright.verification.bundle import Bundle
from testwright.verification.links import account

SOURCES = archive.pack({"shop.py": b"X = 1\n"})
SUITE = {"test_shop.py": b"def test_a():\n    assert 1\n"}


def intact() -> Bundle:
    return evidence.bundle(SOURCES, SUITE, evidence.report(SOURCES, SUITE))


def changed(bundle: Bundle, number: int, old: bytes, new: bytes) -> Bundle:
    events = list(bundle.events)
    assert old in events[number]
    events[number] = events[number].replace(old, new)
    return replace(bundle, events=events)


def test_an_untouched_bundle_has_no_flaw() -> None:
    told = account(intact())

    assert told.flaws == ()
    assert [type(event).__name__ for event in told.line] == [
        "TaskFinished",
        "SuiteVerified",
        "SuiteGenerated",
        "TaskSubmitted",
    ]


def test_a_changed_suite_is_refused() -> None:
    assert account(replace(intact(), suite={"test_shop.py": b"pass\n"})).flaws == (
        "test_shop.py is not the file that was verified",
    )


def test_a_suite_with_a_file_too_few_or_too_many_is_refused() -> None:
    assert account(replace(intact(), suite={})).flaws == ("test_shop.py is not there",)
    more = {**SUITE, "test_more.py": b""}
    assert account(replace(intact(), suite=more)).flaws == ("test_more.py is no file of the result",)


def test_a_changed_report_is_refused() -> None:
    bundle = intact()
    better = bundle.report.replace(b'"killed": 1', b'"killed": 2')

    flaws = account(replace(bundle, report=better)).flaws

    assert better != bundle.report
    assert flaws == (
        "the report is not the one of the result",
        "the result tells other mutants than the report",
    )


def test_a_changed_snapshot_is_refused() -> None:
    other = archive.pack({"shop.py": b"X = 2\n"})

    assert account(replace(intact(), snapshot=other)).flaws == ("the snapshot is not the one that was submitted",)
    assert account(replace(intact(), snapshot=b"")).flaws == ("the snapshot is not there",)


def test_a_changed_candidate_is_refused() -> None:
    assert account(replace(intact(), candidate=evidence.CANDIDATE)).flaws == ()
    assert account(replace(intact(), candidate=b"x")).flaws == ("the candidate is not the one that was generated",)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_an_event_that_was_changed_breaks_the_line(number: int) -> None:
    flaws = account(changed(intact(), number, b'"job-1"', b'"job-2"')).flaws

    assert "is not there, or was changed" in flaws[0]


def test_an_end_that_tells_more_than_was_verified_is_refused() -> None:
    flaws = account(changed(intact(), 4, b'"killed":1', b'"killed":2')).flaws

    assert flaws == ("the result tells other mutants than the report",)


def test_an_end_that_names_no_event_before_it_is_refused() -> None:
    bundle = intact()
    end = msgspec.json.decode(bundle.events[4])
    body = msgspec.json.encode({**end, "previous": None})

    flaws = account(replace(bundle, events=[*bundle.events[:4], body])).flaws

    assert flaws[0] == "task-finished does not say which event led to it"


def test_a_lock_that_was_changed_with_its_report_is_refused() -> None:
    made = evidence.report(SOURCES, SUITE)
    other = msgspec.structs.replace(made.environment, lock=("idna==3.9",))

    bundle = evidence.bundle(SOURCES, SUITE, msgspec.structs.replace(made, environment=other))

    assert account(bundle).flaws == ("the report's lock is not the one of its digest",)


def test_what_is_no_event_or_no_report_is_said_to_be_none() -> None:
    flaws = account(replace(intact(), events=[b"{}", b"\xff"], report=b"{")).flaws

    assert flaws[:2] == ("event 1 is no event of a task", "event 2 is no event of a task")
    assert flaws[2].startswith("the report cannot be read")
    assert flaws[3] == "the task's submission is not there"


def test_a_bundle_is_the_same_from_an_archive_and_from_a_folder(tmp_path: Path) -> None:
    bundle = replace(intact(), candidate=evidence.CANDIDATE)
    packed, folder = tmp_path / "b.tar.gz", tmp_path / "b"
    packed.write_bytes(bundle.pack())
    archive.unpack(bundle.pack(), folder)
    (folder / "notes.txt").write_text("not of the bundle")

    assert bundles.read(packed) == bundles.read(folder) == bundle


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(intact().pack()[:-20])

    with pytest.raises(SnapshotError, match="archive"):
        bundles.read(tmp_path / "b.tar.gz")
    with pytest.raises(SnapshotError, match="holds no events"):
        bundles.read(tmp_path)
