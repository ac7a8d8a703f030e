"""What is asked for is answered once, or given up in time; what arrives waits for its taker."""

import anyio

from testwright.bus._nats_answers import Answer, Mailbox, Question, Questions, now
from testwright.bus._nats_wire import Message

PROMPT_S = 10.0


def asked(questions: Questions, token: str, within_s: float) -> Answer:
    answer = Answer()
    questions.put(token, Question(answer, "publish to", "subject", None, now() + within_s))
    return answer


async def test_each_question_is_given_up_in_its_own_time() -> None:
    questions = Questions()
    never = asked(questions, "never", 3600.0)
    late, soon = asked(questions, "late", 0.02), asked(questions, "soon", 0.01)

    with anyio.fail_after(PROMPT_S):
        assert [await soon, await late] == [None, None]

    assert not never.done()


async def test_what_comes_after_all_others_were_answered_is_given_up_in_time_too() -> None:
    questions = Questions()
    answered = asked(questions, "answered", 0.01)
    questions.take(Message("inbox.answered", "", b"x"))
    questions.drop("answered")
    last = asked(questions, "last", 0.02)

    with anyio.fail_after(PROMPT_S):
        assert await answered == Message("inbox.answered", "", b"x")
        assert await last is None


async def test_what_arrives_waits_for_its_taker_in_order() -> None:
    mailbox = Mailbox[int]()
    mailbox.put(1)
    mailbox.put(2)
    assert [await mailbox.take(PROMPT_S), await mailbox.take(PROMPT_S), mailbox.empty] == [1, 2, True]


async def take(mailbox: Mailbox[int], taken: list[int | None]) -> None:
    taken.append(await mailbox.take(PROMPT_S))


async def test_a_taker_is_woken_or_gives_up_in_time() -> None:
    mailbox, taken = Mailbox[int](), list[int | None]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, mailbox, taken)
        await anyio.wait_all_tasks_blocked()
        mailbox.put(1)

    assert [*taken, await mailbox.take(0.01)] == [1, None]


async def test_who_waits_longer_than_the_one_before_gives_up_in_his_own_time() -> None:
    mailbox, began = Mailbox[int](), now()
    mailbox.put(1)
    assert [await mailbox.take(0.01), await mailbox.take(0.01), await mailbox.take(0.05)] == [1, None, None]
    assert now() - began >= 0.06


async def test_who_waits_less_long_than_the_one_before_gives_up_in_his_own_time() -> None:
    mailbox, taken = Mailbox[int](), list[int | None]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, mailbox, taken)
        await anyio.wait_all_tasks_blocked()
        mailbox.put(1)

    with anyio.fail_after(PROMPT_S / 2):
        assert await mailbox.take(0.01) is None


async def test_who_comes_after_one_that_was_answered_is_not_given_up_in_that_ones_time() -> None:
    mailbox, taken = Mailbox[int](), list[int | None]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mailbox.take, 0.01)
        await anyio.wait_all_tasks_blocked()
        mailbox.put(1)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(take, mailbox, taken)
        await mailbox_rests(0.05)
        mailbox.put(2)

    assert taken == [2]


async def mailbox_rests(for_s: float) -> None:
    assert await Mailbox[int]().take(for_s) is None


async def test_nothing_is_lost_where_a_taker_is_cancelled_as_it_arrives() -> None:
    mailbox, taken = Mailbox[int](), list[int | None]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, mailbox, taken)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        mailbox.put(1)

    assert [*taken, *mailbox.drain()] == [1]
