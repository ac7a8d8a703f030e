"""Requests are kept within limits; answers of either protocol, whole or streamed, say what they took."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.engines.openhands.protocol import (
    COMPLETIONS,
    MOST_OUTPUT,
    RESPONSES,
    BadCallError,
    Call,
    Meter,
    judge,
)
from testwright.engines.openhands.spending import Tokens


def sent(path: str, asked: dict[str, Any], *, is_fallback: bool = False) -> dict[str, Any]:
    body = Call(path, json.dumps(asked).encode()).body("chosen", is_fallback=is_fallback)
    decoded: dict[str, Any] = json.loads(body)
    return decoded


def metered(*pieces: bytes) -> Meter:
    meter = Meter()
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    return meter


def test_the_model_is_the_relays_choice_and_the_rest_is_passed_on() -> None:
    assert sent(COMPLETIONS, {"model": "mine", "messages": [], "max_tokens": 5}) == {
        "model": "chosen",
        "messages": [],
        "max_tokens": 5,
    }


@pytest.mark.parametrize(
    ("path", "asked", "limits"),
    [
        (COMPLETIONS, {}, {"max_completion_tokens": MOST_OUTPUT}),
        (COMPLETIONS, {"max_tokens": 10**9}, {"max_tokens": MOST_OUTPUT}),
        (COMPLETIONS, {"max_tokens": 5, "max_completion_tokens": 9}, {"max_tokens": 5, "max_completion_tokens": 5}),
        (COMPLETIONS, {"max_completion_tokens": -1}, {"max_completion_tokens": 1}),
        (COMPLETIONS, {"max_completion_tokens": None}, {"max_completion_tokens": MOST_OUTPUT}),
        (RESPONSES, {}, {"max_output_tokens": MOST_OUTPUT}),
        (RESPONSES, {"max_output_tokens": 7}, {"max_output_tokens": 7}),
    ],
)
def test_no_answer_may_be_longer_than_the_limit(path: str, asked: dict[str, Any], limits: dict[str, Any]) -> None:
    assert sent(path, asked) == {"model": "chosen", **limits}


def test_a_streamed_answer_is_made_to_end_with_its_usage() -> None:
    asked = {"stream": True, "stream_options": {"include_usage": False}}

    assert sent(COMPLETIONS, asked)["stream_options"] == {"include_usage": True}


def test_a_fallback_gets_no_options_that_were_chosen_for_another_model() -> None:
    asked: dict[str, Any] = {"reasoning_effort": "high", "messages": []}

    assert sent(COMPLETIONS, asked)["reasoning_effort"] == "high"
    assert "reasoning_effort" not in sent(COMPLETIONS, asked, is_fallback=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/models", b"{}"),
        ("/files", b"{}"),
        (f"{COMPLETIONS}/../files", b"{}"),
        (COMPLETIONS, b"[]"),
        (COMPLETIONS, b"not JSON"),
        (COMPLETIONS, b""),
        (COMPLETIONS, b'{"a":' * 100_000),
        (COMPLETIONS, b'{"messages":' + b"[" * 700 + b"]" * 700 + b"}"),
        (COMPLETIONS, b'{"n": 50}'),
        (COMPLETIONS, b'{"n": {}}'),
        (RESPONSES, b'{"background": true}'),
    ],
)
def test_what_is_no_call_for_one_answer_is_not_passed_on(path: str, body: bytes) -> None:
    with pytest.raises(BadCallError):
        Call(path, body)


COMPLETION = b'{"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}'
STREAMED_COMPLETION = (
    b'data: {"choices": [{"delta": {"content": "hi"}}], "usage": null}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\ndata: [DONE]\n\n'
)
RESPONSE = b'{"output": [{"type": "reasoning"}], "usage": {"input_tokens": 7, "output_tokens": 3}}'
STREAMED_RESPONSE = (
    b'event: response.created\ndata: {"type": "response.created", "response": {"usage": null}}\n\n'
    b"event: response.completed\n"
    b'data: {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 3}}}\n\n'
)


@pytest.mark.parametrize("answer", [COMPLETION, STREAMED_COMPLETION, RESPONSE, STREAMED_RESPONSE])
def test_an_answer_says_what_it_took_in_whatever_pieces_it_comes(answer: bytes) -> None:
    assert metered(answer).tokens == Tokens(7, 3)
    assert metered(*(bytes([byte]) for byte in answer)).tokens == Tokens(7, 3)
    assert not metered(answer).refused


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices": [{"finish_reason": "content_filter"}]}',
        b'{"choices": [{"message": {"refusal": "I cannot help with that."}}]}',
        b'data: {"choices": [{"delta": {"refusal": "I can"}}]}\n\n',
        b'{"output": [{"content": [{"type": "refusal", "refusal": "no"}]}]}',
    ],
)
def test_a_refusal_is_noticed(answer: bytes) -> None:
    assert metered(answer).refused


@given(st.binary())
def test_whatever_comes_as_an_answer_is_read_or_passed_over(answer: bytes) -> None:
    metered(answer)
    metered(b"{" + answer)
    metered(b"data: {" + answer)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (401, b"", "bad-credentials"),
        (403, b"", "bad-credentials"),
        (402, b"", "quota-exhausted"),
        (404, b"", "no-such-model"),
        (429, b"slow down", "busy"),
        (429, b'{"error": {"code": "insufficient_quota"}}', "quota-exhausted"),
        (400, b"", "pass"),
        (500, b"", "pass"),
    ],
)
def test_a_status_says_what_it_means_for_the_calls_that_follow(status: int, body: bytes, verdict: str) -> None:
    assert judge(status, body) == verdict
