"""Every guarantee that is written down has its test, and the numbers in them are those of the product."""

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from testwright.actor import MAX_DELIVERIES
from testwright.bus import _nats_feed
from testwright.bus.nats import connect
from testwright.bus.topology import DAY_S, Stream, declare
from testwright.generator.core import MAX_LOST
from testwright.held import BEAT_S
from testwright_schemas import Policy, subjects

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
BULLET = re.compile(r"^- (?:.|\n(?=  ))*", re.MULTILINE)
TOPOLOGY = declare(["echo"])
STREAMS = {stream.name: stream for stream in TOPOLOGY.streams}


def promises() -> list[str]:
    """Return the guarantees; what is not promised has no test."""
    before, _, rest = TEXT.partition("## What is not promised")
    return BULLET.findall(before + rest.partition("\n## ")[2])


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(TEXT))))
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_every_guarantee_names_its_test() -> None:
    assert len(promises()) > 40
    assert [promise for promise in promises() if not NAMED.search(promise)] == []


def test_a_dead_worker_is_noticed_after_three_missed_signs_of_life() -> None:
    assert BEAT_S == 10
    assert {consumer.ack_wait_s for consumer in TOPOLOGY.consumers} == {3 * BEAT_S}


def test_an_operation_is_given_up_after_thirty_seconds() -> None:
    assert inspect.signature(connect).parameters["publish_timeout_s"].default == 30


def test_a_stream_that_is_gone_is_noticed_within_a_quarter_of_a_minute_and_a_new_one_after_another_half() -> None:
    assert _nats_feed.HEARTBEAT_S < _nats_feed.QUIET_S <= 15
    assert _nats_feed.LAG_S == 30


def test_five_workers_and_twenty_deliveries_are_the_end_and_ids_are_known_for_two_minutes() -> None:
    assert (MAX_LOST, MAX_DELIVERIES) == (5, 20)
    assert {stream.duplicate_window_s for stream in TOPOLOGY.streams} == {120}


def test_events_results_and_sources_are_kept_for_thirty_days() -> None:
    events = STREAMS[subjects.EVENTS]
    assert (events.retention, events.max_age_s, events.max_per_subject) == ("limits", 30 * DAY_S, 64)
    assert not events.refuse_when_full
    assert {bucket.name: bucket.max_age_s for bucket in TOPOLOGY.buckets} == {
        subjects.SNAPSHOTS: 30 * DAY_S,
        subjects.ARTIFACTS: 30 * DAY_S,
    }


def test_notes_are_kept_for_as_long_as_a_task_may_take() -> None:
    notes = STREAMS[subjects.NOTES]
    assert (notes.retention, notes.max_age_s, notes.max_per_subject) == ("limits", 7 * DAY_S, 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"deadline_s": 7 * DAY_S + 1}, Policy)


def test_commands_and_timers_are_kept_until_they_are_done() -> None:
    def kept(stream: Stream) -> tuple[str, float | None, int]:
        return stream.retention, stream.max_age_s, stream.max_per_subject

    assert kept(STREAMS[subjects.COMMANDS]) == kept(STREAMS[subjects.TIMERS]) == ("work", None, -1)


def test_a_work_item_outlives_any_task_it_could_be_for() -> None:
    kept_s = STREAMS[subjects.WORK].max_age_s
    assert kept_s is not None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"deadline_s": kept_s}, Policy)
