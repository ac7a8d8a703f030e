"""What a model has already answered an attempt that died, for the one in its place: which call is the same. Pure.

A call is answered from memory as long as all before it were, and it is the same as the one that was made at that point.
Two calls are the same if they differ in nothing but what differs each time: the folder of the attempt, the time of day,
how long something took, names that were drawn at random. From the first other call on the model is asked.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import cast

import msgspec

from testwright.engines import Notes
from testwright.engines.openhands.protocol import Call
from testwright_schemas import Note, Record, Usage, envelope

MOST_BYTES = 256 * 1024
"""Longest answer that is remembered; one of 8,192 tokens has 40 kB."""

FOLDER = "@folder-of-the-attempt@"
"""What is kept instead of the folder of an attempt; no model says this by itself."""

_NAMES = frozenset({"prompt_cache_key"})
"""Fields of a request that name a conversation and say nothing of it."""

_EACH_TIME = (
    (
        re.compile(r"(?<![\w:.])(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?(?![\w:])"),
        "$TIME",
    ),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?(?:ms|s|seconds?)\b"), "$SECONDS"),
    (re.compile(r"/tmp[.\w-]+"), "/$NAME"),  # noqa: S108  what tools print, no path of ours
    (re.compile(r"\b0x[0-9a-f]{6,16}\b"), "$ADDRESS"),
)
"""What tools print that is another each time, and what stands for it."""


class Answer(Record, frozen=True, kw_only=True):
    """What a model answered: ``at`` is the place of the call in the attempt, ``key`` what the call is known by."""

    at: int = 0
    key: str = ""
    model: str
    status: int
    kind: str
    body: str


class Memory:
    """What is remembered of one attempt's calls.

    Args:
        notes: where it is kept, and what attempts before have left there.
        workspace: folder that the agent works in, as it sees it.

    Attributes:
        recalled: calls that were answered from memory so far.
    """

    def __init__(self, notes: Notes, workspace: str) -> None:
        self._add: Callable[[Note], None] = notes.add
        self._folder = _folder(workspace)
        self._known = _by_place(notes.before)
        self._at = 0
        self.recalled = 0

    def recall(self, call: Call) -> Answer | None:
        """Return what was answered to this call; ``None``, now and for all that follow, where it is another one."""
        answer = self._known.get(self._at)
        if answer is None or answer.key != self._key(call):
            self._known = {}
            return None
        self._at += 1
        self.recalled += 1
        return msgspec.structs.replace(answer, body=answer.body.replace(FOLDER, self._folder))

    def keep(self, call: Call, answered: Answer, usage: Usage) -> None:
        """Keep an answer that was paid for, unless it is too long; ``at`` and ``key`` are found out here."""
        # Of a streamed answer a path may be in two pieces: what the agent works in now could not be put in its place.
        if call.streams or len(answered.body) > MOST_BYTES:
            self._at = -1
        if self._at < 0:
            return
        body = answered.body.replace(self._folder, FOLDER)
        kept = msgspec.structs.replace(answered, at=self._at, key=self._key(call), body=body)
        self._at += 1
        self._add(Note(text=msgspec.json.encode(kept).decode(), usage=usage))

    def _key(self, call: Call) -> str:
        fields = {name: value for name, value in call.fields.items() if name not in _NAMES}
        likeness = msgspec.json.encode([call.path, _alike(fields, self._folder)], order="deterministic")
        return hashlib.sha256(likeness).hexdigest()


def _by_place(notes: Sequence[Note]) -> dict[int, Answer]:
    """Return answers by their place; of two attempts the later one counts, as it has gone on from the earlier."""
    found: dict[int, Answer] = {}
    for note in notes:
        try:
            answer = envelope.decode(note.text, Answer)
        except msgspec.DecodeError:
            # Of a version that writes them otherwise.
            continue
        found[answer.at] = answer
    return found


def _folder(workspace: str) -> str:
    """Return the folder of the attempt: what is beside the workspace is named at random with it."""
    parent = PurePosixPath(workspace).parent
    return str(parent) if len(parent.parts) > 2 else workspace


def _alike(value: object, folder: str) -> object:
    """Return a value of JSON without what differs each time."""
    if isinstance(value, str):
        text = value.replace(folder, FOLDER)
        for pattern, name in _EACH_TIME:
            text = pattern.sub(name, text)
        return text
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _alike(each, folder) for name, each in fields.items()}
    if isinstance(value, list):
        return [_alike(each, folder) for each in cast("list[object]", value)]
    return value
