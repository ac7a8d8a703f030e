"""The relay between real HTTP clients and a scripted model: the key, the money and the record stay on its side."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.scripted_llm import KEY, Fails, Hangs, Says, ScriptedModel, Sends, Step, scripted
from testwright.engines.openhands.lanes import Closures, Lanes
from testwright.engines.openhands.memory import Memory
from testwright.engines.openhands.relay import Relay, listening, listening_at
from testwright.engines.openhands.spending import Ledger, Prices, Tokens
from testwright.engines.openhands.upstream import WORKSPACE, Recording, Upstream, replay, server
from testwright.errors import EngineError
from testwright_schemas import Note

TOKEN = "token-of-this-attempt"
PRICES = Prices(input_usd=1.0, output_usd=10.0)


@dataclass
class Client:
    """What a client in the sandbox has: a socket and a token."""

    http: httpx.AsyncClient
    relay: Relay

    async def ask(self, *, token: str = TOKEN, path: str = "/chat/completions", **fields: Any) -> httpx.Response:
        body = {"model": "whatever", "messages": [{"role": "user", "content": "hi"}], **fields}
        headers = {b"authorization": f"Bearer {token}".encode("latin-1")}
        return await self.http.post(path, json=body, headers=headers)


@asynccontextmanager
async def client(
    upstream: Upstream, lanes: Lanes | None = None, ledger: Ledger | None = None, memory: Memory | None = None
) -> AsyncGenerator[Client]:
    relay = Relay(upstream, lanes or Lanes(["best"]), ledger or Ledger(PRICES), TOKEN, memory)
    async with listening(relay) as socket:
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://relay", timeout=30) as http:
            yield Client(http, relay)


@asynccontextmanager
async def relayed(
    *steps: Step, lanes: Lanes | None = None, ledger: Ledger | None = None, key: str = KEY
) -> AsyncGenerator[tuple[Client, ScriptedModel]]:
    """Run a model with this script and a relay before it."""
    async with (
        scripted(*steps) as model,
        server(model.url, key) as upstream,
        client(upstream, lanes, ledger) as asking,
    ):
        yield asking, model


async def test_a_call_is_answered_with_the_key_that_the_client_does_not_have() -> None:
    async with relayed(Says("hello", usage=(70, 30))) as (client, model):
        answer = await client.ask()

    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    assert model.models == ["best"]
    assert client.relay.ledger.tokens == Tokens(70, 30)
    assert client.relay.ledger.cost_usd == pytest.approx(0.00037)


@pytest.mark.parametrize("token", ["x", "toke\xfc", KEY, f"{TOKEN}x"])
async def test_without_the_token_nothing_is_asked(token: str) -> None:
    async with relayed(Says("hello")) as (client, model):
        answer = await client.ask(token=token)

    assert answer.status_code == 401
    assert model.calls == []
    assert client.relay.stop is None


async def test_nothing_but_calls_is_passed_on() -> None:
    async with relayed(Says("hello")) as (client, model):
        other = await client.ask(path="/files")
        many = await client.ask(n=5)

    assert (other.status_code, many.status_code) == (400, 400)
    assert model.calls == []


async def test_a_streamed_answer_comes_through_as_it_is_made_and_is_counted() -> None:
    async with relayed(Says("first half, second half", usage=(7, 3))) as (client, model):
        model.go_on = anyio.Event()
        body: dict[str, Any] = {"model": "m", "messages": [], "stream": True}
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with client.http.stream("POST", "/chat/completions", json=body, headers=headers) as answer:
            pieces = answer.aiter_bytes()
            first = await anext(pieces)
            model.go_on.set()
            rest = b"".join([piece async for piece in pieces])

    assert b"first" in first
    assert b"second" not in first
    assert rest.endswith(b"data: [DONE]\n\n")
    assert client.relay.ledger.tokens == Tokens(7, 3)


async def test_while_a_model_is_rate_limited_the_next_one_is_asked() -> None:
    busy = Fails(429, headers=[("retry-after", "60")])

    async with relayed(busy, Says("hello"), lanes=Lanes(["best", "other"])) as (client, model):
        answers = [await client.ask(reasoning_effort="high"), await client.ask()]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert model.models == ["best", "other", "other"]
    assert ["reasoning_effort" in call for call in model.calls] == [True, False, False]
    assert client.relay.stop is None
    assert client.relay.model == "other"


async def test_where_all_are_rate_limited_the_attempt_ends_and_says_when_to_come_back() -> None:
    busy = Fails(429, headers=[("retry-after", "37")])

    async with relayed(busy) as (client, model):
        answers = [await client.ask(), await client.ask()]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert len(model.calls) == 1
    stop = client.relay.stop
    assert stop
    assert (stop.cause, stop.retryable) == ("rate-limited", True)
    assert "in 37 s" in stop.message
    assert stop.retry_after_s == pytest.approx(37, abs=5)
    assert client.relay.ledger.cost_usd == 0.0


async def test_a_short_pause_is_waited_for_within_the_call() -> None:
    async with relayed(Fails(429, headers=[("retry-after", "0")]), Says("hello")) as (client, model):
        answer = await client.ask()

    assert answer.status_code == 200
    assert len(model.calls) == 2
    assert client.relay.stop is None


async def test_another_attempt_does_not_ask_before_the_time_that_was_named() -> None:
    closures = Closures()
    busy = Fails(429, headers=[("retry-after", "60")])
    async with relayed(busy, Says("hello"), lanes=Lanes(["best"], closures)) as (first, model):
        await first.ask()
        async with server(model.url, KEY) as upstream, client(upstream, Lanes(["best"], closures)) as second:
            answer = await second.ask()

    assert answer.status_code == 400
    assert len(model.calls) == 1
    assert second.relay.stop
    assert second.relay.stop.cause == "rate-limited"


async def test_a_server_that_fails_five_times_in_a_row_is_left_alone_and_a_fallback_is_asked() -> None:
    steps: list[Step] = [*[Fails(500)] * 5, Says("hello")]
    async with relayed(*steps, lanes=Lanes(["best", "other"])) as (client, model):
        statuses = [(await client.ask()).status_code for _ in range(6)]

    assert statuses == [500, 500, 500, 500, 500, 200]
    assert model.models == ["best"] * 5 + ["other"]


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        (Fails(404), "unknown-model"),
        (Fails(402), "quota-exhausted"),
        (Fails(429, code="insufficient_quota"), "quota-exhausted"),
        (Fails(403), "bad-credentials"),
    ],
)
async def test_what_no_further_call_can_mend_ends_the_attempt_for_good(step: Step, cause: str) -> None:
    async with relayed(step, Says("too late")) as (client, model):
        answers = [await client.ask(), await client.ask()]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert len(model.calls) == 1
    stop = client.relay.stop
    assert stop
    assert (stop.cause, stop.retryable) == (cause, False)


async def test_a_wrong_key_is_told_without_the_key() -> None:
    async with relayed(Says("hello"), key="sk-wrong-secret") as (client, _):
        answer = await client.ask()

    stop = client.relay.stop
    assert stop
    assert stop.cause == "bad-credentials"
    assert "sk-wrong-secret" not in stop.message + answer.text


async def test_a_model_that_is_not_there_is_passed_over() -> None:
    async with relayed(Fails(404), Says("hello"), lanes=Lanes(["gone", "here"])) as (client, model):
        answer = await client.ask()

    assert answer.status_code == 200
    assert model.models == ["gone", "here"]


async def test_a_call_beyond_the_budget_is_refused_before_it_is_made() -> None:
    # An answer of at most 10 tokens costs 0.0001 dollars, the question about 0.00006.
    async with relayed(Says("hello", usage=(60, 10)), ledger=Ledger(PRICES, limit_usd=0.0004)) as (client, model):
        statuses = [(await client.ask(max_tokens=10)).status_code for _ in range(4)]

    assert statuses == [200, 200, 400, 400]
    assert len(model.calls) == 2
    assert client.relay.stop
    assert client.relay.stop.cause == "cost-limit"
    assert (client.relay.ledger.cost_usd or 0) <= 0.0004


async def test_an_error_of_the_server_is_passed_on_and_the_next_call_may_succeed() -> None:
    async with relayed(Fails(500, "on fire"), Says("hello")) as (client, _):
        answers = [await client.ask(), await client.ask()]

    assert [answer.status_code for answer in answers] == [500, 200]
    assert "on fire" in client.relay.trouble
    assert client.relay.stop is None


async def test_a_server_that_is_not_there_is_a_bad_gateway() -> None:
    async with server("http://127.0.0.1:9/v1", KEY) as upstream, client(upstream) as asking:
        answer = await asking.ask()

    assert answer.status_code == 502
    assert "ConnectError" in asking.relay.trouble


async def test_an_answer_that_does_not_say_what_it_took_makes_the_cost_unknown() -> None:
    async with relayed(Sends(b"<html>maintenance</html>")) as (client, _):
        answer = await client.ask()

    assert answer.content == b"<html>maintenance</html>"
    assert client.relay.ledger.usage("best", 0.0).cost_usd is None


async def test_an_answer_that_is_cut_off_is_cut_off_for_the_client_too() -> None:
    async with relayed(Sends(b'{"choices": [', cut=True), Says("hello")) as (client, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.ask()
        again = await client.ask()

    assert again.status_code == 200


async def test_a_call_that_hangs_ends_with_the_relay() -> None:
    async with scripted(Hangs()) as model, server(model.url, KEY) as upstream:
        async with client(upstream) as asking, anyio.create_task_group() as tasks:
            tasks.start_soon(asking.ask)
            await model.hung.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):
            await model.left.wait()


async def test_what_speaks_no_http_is_hung_up_on_and_others_are_answered() -> None:
    async with scripted(Says("hello")) as model, server(model.url, KEY) as upstream:
        relay = Relay(upstream, Lanes(["best"]), Ledger(), TOKEN)
        async with listening(relay) as socket, await anyio.connect_unix(socket) as stream:
            await stream.send(b"\x00\xff nonsense\r\n\r\n")
            with anyio.fail_after(30), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
            async with await anyio.connect_unix(socket) as leaving:
                await leaving.send(b"POST /chat/completions HTTP/1.1\r\n")


async def test_a_relay_on_a_port_answers_those_with_the_token_only() -> None:
    async with scripted(Says("hello")) as model, server(model.url, KEY) as upstream:
        relay = Relay(upstream, Lanes(["best"]), Ledger(), TOKEN)
        async with listening_at(relay, "127.0.0.1") as url, httpx.AsyncClient(base_url=url) as http:
            answers = [await Client(http, relay).ask(), await Client(http, relay).ask(token="guess")]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert len(model.calls) == 1


async def test_only_the_user_can_enter_the_folder_of_the_socket() -> None:
    async with server("http://127.0.0.1:9/v1", KEY) as upstream:
        relay = Relay(upstream, Lanes(["best"]), Ledger(), TOKEN)
        async with listening(relay) as socket:
            assert (await anyio.Path(socket.parent).stat()).st_mode & 0o077 == 0
            assert (await anyio.Path(socket).stat()).st_mode & 0o077 == 0
        assert not await anyio.Path(socket.parent).exists()


async def test_a_record_answers_in_place_of_the_server_and_holds_no_key(tmp_path: Path) -> None:
    record, first, second = tmp_path / "kept" / "shop.jsonl", tmp_path / "first", tmp_path / "second"
    steps = (Fails(500), Says(f"wrote {first}/test_shop.py", usage=(7, 3)), Says("done", usage=(5, 5)))
    async with (
        scripted(*steps) as model,
        server(model.url, KEY) as upstream,
        client(Recording(upstream, record, first)) as asking,
    ):
        live = [(await asking.ask(note=str(first))).text for _ in steps]

    async with client(await replay(record, second)) as asking:
        again = [(await asking.ask()).text for _ in steps]

    assert again == [text.replace(str(first), str(second)) for text in live]
    assert asking.relay.ledger.tokens == Tokens(12, 8)
    text = record.read_text()
    assert KEY not in text
    assert TOKEN not in text
    assert str(first) not in text
    assert json.loads(json.loads(text.splitlines()[1])["request"])["note"] == WORKSPACE


class Left:
    """Notes of one attempt, found by the next."""

    def __init__(self, before: Sequence[Note] = ()) -> None:
        self.before = before
        self.added: list[Note] = []

    def add(self, note: Note) -> None:
        """Keep it."""
        self.added.append(note)


async def test_what_was_paid_for_in_an_attempt_before_is_answered_at_no_cost_and_the_rest_is_asked() -> None:
    steps = (Says("one", usage=(70, 30)), Fails(500), Says("two", usage=(50, 50)), Says("three", usage=(1, 1)))
    dead = Left()
    async with scripted(*steps) as model, server(model.url, KEY) as upstream:
        async with client(upstream, memory=Memory(dead, "/first/attempt")) as asking:
            live = [(await asking.ask(note=text)).text for text in "abb"]
        left = Left(dead.added)
        # Nothing is left to be spent, and the model is closed: answers from memory ask neither.
        lanes, ledger = Lanes(["best"]), Ledger(PRICES, limit_usd=0.0)
        lanes.close("best", anyio.current_time() + 60)
        async with client(upstream, lanes, ledger, Memory(left, "/second/attempt")) as asking:
            again = [(await asking.ask(note=text)).text for text in "ab"]
            beyond = await asking.ask(note="c")

    assert again == [live[0], live[2]]
    assert (asking.relay.recalled, asking.relay.model) == (2, "best")
    assert (asking.relay.ledger.calls, asking.relay.ledger.cost_usd) == (0, 0.0)
    assert beyond.status_code == 400
    assert len(model.calls) == 3
    assert [note.usage.input_tokens for note in dead.added] == [70, 50]
    assert [note.usage.cost_usd for note in dead.added] == pytest.approx([0.00037, 0.00055])
    assert left.added == []
    assert not any(secret in note.text for note in dead.added for secret in (KEY, TOKEN))


async def test_what_was_cut_off_streamed_or_an_error_is_not_answered_again() -> None:
    left = Left()
    async with (
        scripted(Fails(500), Sends(b'{"choices": [', cut=True), Says("streamed")) as model,
        server(model.url, KEY) as upstream,
        client(upstream, memory=Memory(left, "/first/attempt")) as asking,
    ):
        await asking.ask()
        with pytest.raises(httpx.RemoteProtocolError):
            await asking.ask()
        await asking.ask(stream=True)

    assert left.added == []


async def test_a_refusal_of_the_model_that_is_answered_again_is_known_as_one() -> None:
    dead = Left()
    async with scripted(Says("no", ends="content_filter")) as model, server(model.url, KEY) as upstream:
        for notes in (dead, Left(dead.added)):
            async with client(upstream, memory=Memory(notes, "/an/attempt")) as asking:
                await asking.ask()
            assert asking.relay.refused

    assert len(model.calls) == 1


async def test_a_record_is_of_the_last_attempt_only(tmp_path: Path) -> None:
    for text in ("old", "new"):
        async with (
            scripted(Says(text)) as model,
            server(model.url, KEY) as upstream,
            client(Recording(upstream, tmp_path / "r.jsonl", tmp_path)) as asking,
        ):
            await asking.ask()

    async with client(await replay(tmp_path / "r.jsonl", tmp_path)) as asking:
        answers = [await asking.ask(), await asking.ask()]

    assert "new" in answers[0].text
    assert answers[1].status_code == 502


async def test_a_record_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"gone\.jsonl"):
        await replay(tmp_path / "gone.jsonl", tmp_path)
