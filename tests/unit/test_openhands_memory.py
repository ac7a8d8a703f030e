"""Which call of the model is the same as one of an attempt that died, and what of it is kept."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from testwright.engines.openhands.memory import MOST_BYTES, Answer, Memory
from testwright.engines.openhands.protocol import COMPLETIONS, Call
from testwright_schemas import Note, Usage

FIRST, SECOND = "/tmp/testwright-first/project", "/tmp/testwright-second/project"
PAID = Usage(model="m", input_tokens=7, output_tokens=3, cost_usd=0.5)


class Kept:
    """Notes in memory."""

    def __init__(self, before: Sequence[Note] = ()) -> None:
        self.before = before
        self.added: list[Note] = []

    def add(self, note: Note) -> None:
        """Keep it."""
        self.added.append(note)


def call(text: str, **fields: Any) -> Call:
    return Call(COMPLETIONS, json.dumps({"model": "m", "messages": [{"content": text}], **fields}).encode())


def answer(text: str) -> Answer:
    return Answer(model="m", status=200, kind="application/json", body=text)


def attempt(*texts: str, before: Sequence[Note] = (), workspace: str = FIRST) -> list[Note]:
    """Return the notes of an attempt that asks so, and is answered with the same in capitals."""
    kept = Kept(before)
    memory = Memory(kept, workspace)
    for text in texts:
        if memory.recall(call(text)) is None:
            memory.keep(call(text), answer(text.upper()), PAID)
    return kept.added


def recalled(notes: Sequence[Note], *texts: str, workspace: str = SECOND) -> list[str | None]:
    memory = Memory(Kept(notes), workspace)
    found = [memory.recall(call(text)) for text in texts]
    assert memory.recalled == sum(each is not None for each in found)
    return [each.body if each else None for each in found]


def test_calls_of_a_dead_attempt_are_answered_as_they_were_and_what_follows_is_not() -> None:
    notes = attempt("a", "b")

    assert recalled(notes, "a", "b", "c") == ["A", "B", None]
    assert [note.usage for note in notes] == [PAID, PAID]


def test_from_the_first_other_call_on_the_model_is_asked_also_where_a_later_one_is_the_same() -> None:
    assert recalled(attempt("a", "b", "c"), "a", "x", "c") == ["A", None, None]


def test_order_counts() -> None:
    assert recalled(attempt("a", "b"), "b", "a") == [None, None]


def test_a_third_attempt_goes_on_from_what_both_before_have_paid_for() -> None:
    first = attempt("a", "b")
    second = attempt("a", "b", "c", before=first)

    assert len(second) == 1
    assert recalled([*first, *second], "a", "b", "c", "d") == ["A", "B", "C", None]


def test_a_third_attempt_follows_the_second_where_that_went_another_way() -> None:
    first = attempt("a", "b", "c")
    second = attempt("a", "x", before=first)

    assert recalled([*first, *second], "a", "x", "y") == ["A", "X", None]
    assert recalled([*first, *second], "a", "b") == ["A", None]


def test_paths_in_answers_are_those_of_the_folder_that_is_worked_in_now() -> None:
    kept = Kept()

    Memory(kept, FIRST).keep(call("a"), answer(f"cd {FIRST} && ls {FIRST}/../scratch"), PAID)
    assert recalled(kept.added, "a") == [f"cd {SECOND} && ls {SECOND}/../scratch"]
    assert FIRST not in kept.added[0].text


def test_what_a_model_says_of_a_variable_stays_as_it_was() -> None:
    kept = Kept()

    Memory(kept, FIRST).keep(call("a"), answer("cd $WORKSPACE"), PAID)

    assert recalled(kept.added, "a") == ["cd $WORKSPACE"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\x1b[32m2 passed\x1b[0m in 0.14s\x1b[0m", "\x1b[32m2 passed\x1b[0m in 12.5s\x1b[0m"),
        ("slowest:\n0.00s call", "slowest:\n0.31s call"),
        ("took 14 ms, 1.5 seconds", "took 203 ms, 2 seconds"),
        ("Sat Nov 28 16:15:42 UTC", "Sat Nov 28 16:16:04 UTC"),
        ("at 2026-11-28T16:15:42.113Z", "at 2026-11-29T00:16:04Z"),
        ("at 2026-11-28 16:15:42,113", "at 2026-11-28 16:15:44,009"),
        ("/tmp/tmp.8IzkQ15fyE", "/tmp/tmp.VdYmSuQiuS"),
        ("<Shop object at 0x7f12ab34cd56>", "<Shop object at 0x7fffffffffff>"),
        (f"{FIRST}/shop.py {FIRST[:-8]}/scratch/coverage", f"{SECOND}/shop.py {SECOND[:-8]}/scratch/coverage"),
    ],
)
def test_what_is_another_each_time_makes_no_other_call(one: str, other: str) -> None:
    assert recalled(attempt(one), other) == [one.upper()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 passed", "3 passed"),
        ("shop.py:10:22: error", "shop.py:10:23: error"),
        ("0.14", "0.15"),
        ("version 1.2.3s", "version 1.2.4s"),
        ("tmp_path", "tmp_file"),
        ("0x10", "0x11"),
    ],
)
def test_what_says_something_makes_another_call(one: str, other: str) -> None:
    assert recalled(attempt(one), other) == [None]


def test_another_model_or_another_path_makes_another_call_and_the_name_of_the_conversation_does_not() -> None:
    kept = Kept()
    Memory(kept, FIRST).keep(call("a", prompt_cache_key="one"), answer("A"), PAID)

    assert Memory(Kept(kept.added), FIRST).recall(call("a", prompt_cache_key="two"))
    assert Memory(Kept(kept.added), FIRST).recall(call("a", model="n")) is None
    assert Memory(Kept(kept.added), FIRST).recall(call("a", tools=[{"name": "x"}])) is None


@pytest.mark.parametrize(("text", "fields"), [("x" * (MOST_BYTES + 1), {}), ("x", {"stream": True})])
def test_what_is_not_kept_ends_what_can_be_gone_on_from(text: str, fields: dict[str, Any]) -> None:
    kept = Kept()
    memory = Memory(kept, FIRST)
    memory.keep(call("a"), answer("A"), PAID)
    memory.keep(call("b", **fields), answer(text), PAID)
    memory.keep(call("c"), answer("C"), PAID)

    assert len(kept.added) == 1
    assert memory.recall(call("d")) is None


def test_notes_of_another_version_are_passed_over() -> None:
    assert recalled([Note(text="?"), Note(text='{"at": 0}')], "a") == [None]
