"""What an agent server answers, where no server is needed for it."""

import httpx
import pytest

from testwright.engines.openhands.agent_server import AgentServer
from testwright.errors import EngineError


def answering(content: bytes) -> AgentServer:
    async def answer(request: httpx.Request) -> httpx.Response:
        del request
        return httpx.Response(200, content=content)

    return AgentServer(httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://agents"), None)


async def test_what_a_command_prints_is_returned() -> None:
    assert await answering(b'{"exit_code":0,"stdout":"/tmp/x\\n","stderr":null,"more":[]}').run("mktemp") == "/tmp/x\n"


@pytest.mark.parametrize(
    "content", [b"<html>", b"", b"[]", b'{"exit_code":"0"}', b'{"stdout":"\xff"}', b"[" * 3000 + b"]" * 3000]
)
async def test_an_answer_that_is_none_is_the_servers_failure(content: bytes) -> None:
    with pytest.raises(EngineError, match=r"what the agent server says of `mktemp` cannot be read: ") as caught:
        await answering(content).run("mktemp")

    assert caught.value.cause == "agent-server-failed"


async def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(EngineError, match=r"`tar` failed on the agent server: no such file"):
        await answering(b'{"exit_code":2,"stderr":"no such file"}').run("tar")
