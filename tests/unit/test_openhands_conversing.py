"""What an agent server's events amount to, in whatever order and shape they come."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from testwright.engines.openhands.agent_server import Event
from testwright.engines.openhands.conversing import MOST_LINES, Model, Tally, message, start
from testwright.engines.openhands.outcomes import Action
from testwright.engines.openhands.spending import Tokens

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x))


def changed(key: str, value: Any) -> Event:
    return Event(kind="ConversationStateUpdateEvent", key=key, value=value)


def stats(*spent: tuple[int, int]) -> dict[str, Any]:
    usages = [{"accumulated_token_usage": {"prompt_tokens": i, "completion_tokens": o}} for i, o in spent]
    return {"usage_to_metrics": {str(number): usage for number, usage in enumerate(usages)}}


def tallied(*events: Event, secret: str = "") -> Tally:
    tally = Tally(secret)
    for event in events:
        tally.take(event)
    return tally


def test_a_step_of_the_agent_is_an_action() -> None:
    text = '{"kind": "ActionEvent", "id": "1", "tool_name": "terminal", "action": {"command": "ls", "kind": "X"}}'

    action = Tally().take(msgspec.json.decode(text, type=Event))

    assert action == Action(iteration=1, tool="terminal", command="ls")


def test_it_rests_only_once_the_whole_state_says_so() -> None:
    before = tallied(changed("full_state", {"execution_status": "idle"}), changed("execution_status", "finished"))
    after = tallied(changed("execution_status", "finished"), changed("full_state", {"execution_status": "finished"}))

    assert not before.rested
    assert after.rested
    assert after.summary(interrupted=False).status == "finished"


def test_an_error_that_follows_its_state_is_told() -> None:
    tally = tallied(
        changed("execution_status", "error"),
        Event(kind="ConversationErrorEvent", code="MaxIterationsReached", detail="too many"),
        changed("full_state", {"execution_status": "error"}),
    )

    summary = tally.summary(interrupted=True)

    assert (summary.status, summary.code, summary.detail, summary.interrupted) == (
        "error",
        "MaxIterationsReached",
        "too many",
        True,
    )


def test_tokens_are_the_sum_of_all_models_and_never_fall() -> None:
    tally = tallied(changed("stats", stats((100, 10), (5, 1))), changed("full_state", {"stats": stats((50, 5))}))

    assert tally.tokens == Tokens(105, 11)


def test_a_secret_is_left_out_of_what_is_passed_on() -> None:
    event = Event(kind="ConversationErrorEvent", code="LLMAuthenticationError", detail="wrong: sk-secret")

    tally = tallied(event, secret="sk-secret")

    assert "sk-secret" not in json.dumps(tally.log) + tally.summary(interrupted=False).detail


def test_the_log_is_bounded() -> None:
    tally = tallied(*[changed("execution_status", "running")] * (MOST_LINES + 5))

    assert len(tally.log) == MOST_LINES


@given(st.lists(st.builds(changed, st.sampled_from(["stats", "full_state", "execution_status", "other"]), JSON)))
def test_whatever_a_server_says_of_its_state_is_taken(events: list[Event]) -> None:
    tallied(*events).summary(interrupted=False)


def test_the_key_of_the_model_is_in_the_request_and_in_no_description() -> None:
    model = Model("gpt", "http://127.0.0.1:1/v1", "sk-secret")

    request = start("some-id", "/work", model, 7)

    assert request["agent"]["llm"]["api_key"] == "sk-secret"
    assert (request["max_iterations"], request["workspace"]["working_dir"]) == (7, "/work")
    assert "sk-secret" not in repr(model)
    assert message("hello")["run"] is True
