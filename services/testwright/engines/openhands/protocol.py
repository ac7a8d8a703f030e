"""What the relay must know of the two protocols of model servers: what a request asks for, what an answer took. Pure.

Chat completions are what every server speaks; for some models of OpenAI's the SDK speaks the responses protocol.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from testwright import nesting
from testwright.engines.openhands.spending import Tokens
from testwright_schemas import envelope

COMPLETIONS = "/chat/completions"
RESPONSES = "/responses"

MOST_OUTPUT = 8192
"""Tokens that one answer may have."""

_CAPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {COMPLETIONS: ("max_completion_tokens", "max_tokens"), RESPONSES: ("max_output_tokens",)}
)
"""Where a request of each kind says how long its answer may be; the first is added where none is there."""


_TUNED = frozenset({"prompt_cache_key", "prompt_cache_retention", "reasoning", "reasoning_effort", "thinking"})


class BadCallError(ValueError):
    """Raised when a request is not one that the relay passes on; says why."""


class Call:
    """A request for one answer, kept within the limits.

    Args:
        path: what it was sent to.
        body: as it was sent.

    Raises:
        BadCallError: it is no such request, or asks for more than one answer that can be waited for.
    """

    def __init__(self, path: str, body: bytes) -> None:
        if path not in _CAPS:
            raise BadCallError(f"{path} is not passed on")
        try:
            fields = envelope.decode(body, dict[str, Any])
        except msgspec.DecodeError as error:
            raise BadCallError(f"not a JSON object: {error}") from None
        if nesting.is_deep(fields):
            raise BadCallError(f"nested deeper than {nesting.MOST_LEVELS} levels")
        if fields.get("n") not in (None, 1) or fields.get("background"):
            raise BadCallError("one answer a call, and while it is waited for")
        caps = _CAPS[path]
        asked = [fields[name] for name in caps if isinstance(fields.get(name), int)]
        self.path = path
        self.most_output: int = max(1, min([*asked, MOST_OUTPUT]))
        for name in [name for name in caps if name in fields] or caps[:1]:
            fields[name] = self.most_output
        if fields.get("stream") and path == COMPLETIONS:
            # Only an answer that ends with its usage can be counted.
            fields["stream_options"] = {"include_usage": True}
        self.fields: Mapping[str, Any] = fields
        self.streams = bool(fields.get("stream"))

    def body(self, model: str, *, is_fallback: bool = False) -> bytes:
        """Return what is sent to a model; to a fallback without the options that were chosen for another model."""
        kept = {name: value for name, value in self.fields.items() if not (is_fallback and name in _TUNED)}
        return msgspec.json.encode({**kept, "model": model})


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Message(msgspec.Struct):
    refusal: str | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    message: _Message | None = None
    delta: _Message | None = None


class _Content(msgspec.Struct):
    type: str = ""


class _Item(msgspec.Struct):
    content: list[_Content] | None = None


class _Part(msgspec.Struct):
    """A whole answer of either kind, or a piece of a streamed one."""

    usage: _Usage | None = None
    choices: list[_Choice] = []
    output: list[_Item] = []
    response: "_Part | None" = None


class Meter:
    """Reads an answer as it passes, whole or streamed.

    Attributes:
        tokens: what it took, ``None`` while, or if, it does not say.
        refused: whether the model, or its filter, refused to answer.
    """

    def __init__(self) -> None:
        self.tokens: Tokens | None = None
        self.refused = False
        self._data = bytearray()

    @property
    def text(self) -> str:
        """What has passed so far."""
        return self._data.decode(errors="replace")

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    def finish(self) -> None:
        """Take the end of the answer."""
        if self._data.lstrip().startswith(b"{"):
            self._read(bytes(self._data))
            return
        for line in self._data.splitlines():
            if line.startswith(b"data:"):
                self._read(bytes(line[5:]).strip())

    def _read(self, text: bytes) -> None:
        try:
            part = envelope.decode(text, _Part)
        except msgspec.DecodeError:
            return
        part = part.response or part
        self.tokens = _tokens(part.usage) or self.tokens
        said = [choice.message or choice.delta for choice in part.choices]
        content = [each.type for item in part.output for each in item.content or []]
        self.refused |= any(choice.finish_reason == "content_filter" for choice in part.choices)
        self.refused |= any(each and each.refusal for each in said) or "refusal" in content


def _tokens(usage: _Usage | None) -> Tokens | None:
    if usage is None:
        return None
    into = usage.prompt_tokens if usage.input_tokens is None else usage.input_tokens
    out = usage.completion_tokens if usage.output_tokens is None else usage.output_tokens
    return None if into is None or out is None else Tokens(max(0, into), max(0, out))


Verdict = Literal["pass", "busy", "no-such-model", "bad-credentials", "quota-exhausted"]


def judge(status: int, body: bytes) -> Verdict:
    """Return what the status of an answer means for those that follow; ``body`` tells quota from rate limit."""
    match status:
        case 401 | 403:
            return "bad-credentials"
        case 402:
            return "quota-exhausted"
        case 404:
            return "no-such-model"
        case 429:
            exhausted = b"insufficient_quota" in body or b"exceeded your current quota" in body
            return "quota-exhausted" if exhausted else "busy"
        case _:
            return "pass"


def error(message: str, code: str) -> bytes:
    """Return the body of an answer that says no."""
    return msgspec.json.encode({"error": {"message": message, "type": "invalid_request_error", "code": code}})
