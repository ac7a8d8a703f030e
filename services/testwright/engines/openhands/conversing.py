"""What is said to an agent server to hold a conversation, and what its events amount to. Pure."""

from dataclasses import dataclass, field
from typing import Any, cast

from testwright.engines.openhands.agent_server import Event
from testwright.engines.openhands.attempts import CALL_S, TRIES
from testwright.engines.openhands.outcomes import Action, Summary
from testwright.engines.openhands.protocol import MOST_OUTPUT
from testwright.engines.openhands.spending import Tokens

AT_REST = frozenset({"finished", "error", "stuck", "paused"})
"""States in which an agent does nothing more of itself."""

MOST_OF_A_LINE = 300
MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class Model:
    """What the server is told of a model, or of a relay that stands for it."""

    name: str
    base_url: str
    key: str = field(repr=False)


def start(conversation: str, workspace: str, model: Model, iterations: int) -> dict[str, Any]:
    """Return the request that starts a conversation.

    Args:
        conversation: its id, a UUID of our choice.
        workspace: folder there.
        model: to be called.
        iterations: that the agent may take.
    """
    # A terminal in tmux would outlive the conversation.
    terminal = {"terminal_type": "subprocess", "no_change_timeout_seconds": 30}
    return {
        "conversation_id": conversation,
        "workspace": {"kind": "LocalWorkspace", "working_dir": workspace},
        "max_iterations": iterations,
        # It would take another call.
        "autotitle": False,
        "agent": {
            "kind": "Agent",
            "tools": [{"name": "terminal", "params": terminal}, {"name": "file_editor"}],
            "system_prompt_kwargs": {"cli_mode": True},
            "llm": {
                "model": f"openai/{model.name}",
                "base_url": model.base_url,
                "api_key": model.key,
                "usage_id": "agent",
                "num_retries": TRIES,
                "retry_min_wait": 1,
                "retry_max_wait": 4,
                "timeout": CALL_S,
                "max_output_tokens": MOST_OUTPUT,
            },
        },
    }


def message(text: str) -> dict[str, Any]:
    """Return the request that says something to the agent and has it begin."""
    return {"role": "user", "content": [{"type": "text", "text": text}], "run": True}


class Tally:
    """Adds up the events of a conversation, in the order in which they come.

    Args:
        secret: that is left out of all that is passed on.

    Attributes:
        iterations: steps that the agent took.
        tokens: that its model has taken so far, as the server says.
        rested: whether the agent does nothing more, and all that led to it has been told.
        log: what was told, a line for an event.
    """

    def __init__(self, secret: str = "") -> None:
        self._secret = secret
        self.iterations = 0
        self.tokens = Tokens(0, 0)
        self.rested = False
        self.log: list[str] = []
        self._status = ""
        self._error: Event | None = None

    def take(self, event: Event) -> Action | None:
        """Take an event; return what the agent did, if it is that."""
        match event:
            case Event(kind="ActionEvent"):
                return self._act(event)
            case Event(kind="ConversationErrorEvent"):
                self._error = event
                self._note(f"{event.code}: {event.detail}")
            case Event(kind="ConversationStateUpdateEvent", key="execution_status", value=str(status)):
                self._status = status
                self._note(status)
            case Event(kind="ConversationStateUpdateEvent", key="stats", value=stats):
                self._count(stats)
            case Event(kind="ConversationStateUpdateEvent", key="full_state"):
                # An error follows the state "error"; the whole state follows both.
                self._count(_inside(event.value, "stats"))
                self._status = str(_inside(event.value, "execution_status") or self._status)
                self.rested = self._status in AT_REST
            case _:
                pass
        return None

    def summary(self, *, interrupted: bool) -> Summary:
        """Return how the conversation ended."""
        code = self._kept(self._error.code if self._error else "")
        return Summary(
            status=self._status,
            interrupted=interrupted,
            iterations=self.iterations,
            code=code,
            error=code,
            detail=self._kept(self._error.detail if self._error else ""),
        )

    def _act(self, event: Event) -> Action:
        self.iterations += 1
        deed = event.action
        action = Action(
            iteration=self.iterations,
            tool=event.tool_name or "",
            command=self._kept(deed.command if deed else ""),
            path=self._kept(deed.path if deed else ""),
            summary=self._kept(event.summary),
        )
        self._note(f"{action.tool} {action.command} {action.path}")
        return action

    def _count(self, stats: Any) -> None:
        of_models = _inside(stats, "usage_to_metrics")
        if not isinstance(of_models, dict):
            return
        every = [_inside(one, "accumulated_token_usage") for one in cast("dict[str, Any]", of_models).values()]
        into, out = (sum(_number(_inside(one, f"{side}_tokens")) for one in every) for side in ("prompt", "completion"))
        self.tokens = Tokens(max(into, self.tokens.input), max(out, self.tokens.output))

    def _note(self, line: str) -> None:
        if len(self.log) < MOST_LINES:
            self.log.append(self._kept(line))

    def _kept(self, text: str | None) -> str:
        said = text or ""
        return (said.replace(self._secret, "[key]") if self._secret else said)[:MOST_OF_A_LINE]


def _inside(value: Any, key: str) -> Any:
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
