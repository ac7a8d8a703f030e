"""Runs one OpenHands conversation in the sandbox, on the interpreter of the engine's own environment.

Run by path, never imported by the service. It reads a job in JSON from standard input and writes JSON lines to standard
output: an event for each thing that the agent does, and at last a summary. What it says is believed by nobody: usage is
counted by the relay, files are looked for by the engine.
"""

import gc
import importlib
import json
import os
import sys
import threading
from typing import Any, TextIO

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus

LONGEST = 300
"""Characters of any text in an event."""

STOP_S = 5.0
"""Seconds that an interrupted conversation has to come to rest."""


class Voice:
    """Writes JSON lines to what was standard output; whatever else is printed goes to standard error."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(2, 1)
        self.iterations = 0
        self.errors: list[Any] = []

    def say(self, **fields: Any) -> None:
        """Write a line."""
        with self._lock:
            self._out.write(json.dumps(fields, default=str) + "\n")
            self._out.flush()

    def on_event(self, event: Any) -> None:
        """Tell of an event of the conversation."""
        kind = type(event).__name__
        if kind == "ActionEvent":
            self.iterations += 1
            action = event.action
            self.say(
                kind="action",
                iteration=self.iterations,
                tool=str(event.tool_name),
                command=_short(getattr(action, "command", "")),
                path=_short(getattr(action, "path", "")),
                summary=_short(getattr(event, "summary", "")),
            )
        elif kind == "ConversationErrorEvent":
            self.errors.append(event)


def _short(value: Any) -> str:
    return str(value or "")[:LONGEST]


async def converse(job: dict[str, Any], voice: Voice) -> None:
    """Hold the conversation and end the process: a tool's thread may hold on to it otherwise."""
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(_forward, job["socket"])
        conversation = _conversation(job, f"http://127.0.0.1:{port}", voice)
        conversation.send_message(job["prompt"])
        failure, interrupted = await _run(conversation, job["time_limit_s"])
        voice.say(kind="summary", interrupted=interrupted, **_ending(conversation, failure, voice))
        sys.stderr.flush()
        os._exit(0)


async def _run(conversation: Any, limit_s: float) -> tuple[Exception | None, bool]:
    failures: list[Exception] = []
    ended = anyio.Event()

    async def run() -> None:
        try:
            await conversation.arun()
        except Exception as error:  # noqa: BLE001  whatever it is, the summary tells
            failures.append(error)
        finally:
            ended.set()

    limit = anyio.CancelScope(deadline=anyio.current_time() + limit_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with limit:
            await ended.wait()
        if limit.cancelled_caught:
            conversation.interrupt()
            with anyio.move_on_after(STOP_S):
                await ended.wait()
        tasks.cancel_scope.cancel()
    return (failures[0] if failures else None), limit.cancelled_caught


def _ending(conversation: Any, failure: Exception | None, voice: Voice) -> dict[str, Any]:
    told = voice.errors[-1] if voice.errors else None
    original = getattr(failure, "original_exception", failure)
    classification = getattr(told, "classification", None)
    return {
        "status": conversation.state.execution_status.value,
        "iterations": voice.iterations,
        "code": told.code if told else "",
        "error": type(original).__name__ if original else "",
        "detail": _short(original or getattr(told, "detail", "")),
        "classification": getattr(classification, "kind", "") or "",
    }


def _conversation(job: dict[str, Any], base_url: str, voice: Voice) -> Any:
    # What is imported stays: to look for garbage in it meanwhile would take a quarter of the time.
    gc.disable()
    # The SDK is in this environment only; type checkers have never seen it.
    sdk: Any = importlib.import_module("openhands.sdk")
    secret: Any = importlib.import_module("pydantic").SecretStr
    editor: Any = importlib.import_module("openhands.tools.file_editor").FileEditorTool
    terminal: Any = importlib.import_module("openhands.tools.terminal").TerminalTool
    gc.freeze()
    gc.enable()
    model = sdk.LLM(
        model=f"openai/{job['model']}",
        base_url=base_url,
        api_key=secret(job["token"]),
        usage_id="agent",
        num_retries=job["tries"],
        retry_min_wait=1,
        retry_max_wait=4,
        timeout=job["call_limit_s"],
        max_output_tokens=job["most_output"],
        log_completions=False,
    )
    tools = [
        # A terminal in tmux would outlive the process group.
        sdk.Tool(name=terminal.name, params={"terminal_type": "subprocess", "no_change_timeout_seconds": 30}),
        sdk.Tool(name=editor.name),
    ]
    return sdk.Conversation(
        agent=sdk.Agent(llm=model, tools=tools, system_prompt_kwargs={"cli_mode": True}),
        workspace=job["workspace"],
        callbacks=[voice.on_event],
        visualizer=None,
        max_iteration_per_run=job["iterations"],
    )


async def _forward(socket: str, *, task_status: TaskStatus[int]) -> None:
    """Carry connections from a port of the loopback to the relay's socket: the SDK knows no other kind."""

    async def carry(client: ByteStream) -> None:
        try:
            async with client, await anyio.connect_unix(socket) as relay, anyio.create_task_group() as tasks:
                tasks.start_soon(_pump, client, relay)
                await _pump(relay, client)
                tasks.cancel_scope.cancel()
        except OSError as error:
            sys.stderr.write(f"relay: {error}\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  not a Django query
        task_status.started(port)
        await listener.serve(carry)


async def _pump(source: ByteStream, sink: ByteStream) -> None:
    try:
        async for data in source:
            await sink.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


if __name__ == "__main__":
    anyio.run(converse, json.load(sys.stdin), Voice())
