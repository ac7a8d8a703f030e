"""A stream in memory: what is stored, refused, remembered and forgotten. It knows no clock, task or connection."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from testwright.bus import Receipt, Stored
from testwright.bus._filters import compile_filters
from testwright.bus.topology import Stream
from testwright.errors import ConflictError, SubjectFullError
from testwright_schemas.envelope import MESSAGE_ID
from testwright_schemas.publication import Expect


class MemoryStream:
    """Messages by sequence.

    Attributes:
        config: how it is declared.
        last_sequence: of the message stored last, also where that is gone; 0 at first.
        listeners: called with each message once it is stored.
    """

    def __init__(self, config: Stream) -> None:
        self.config = config
        self.last_sequence = 0
        self._subjects = compile_filters(config.subjects)
        self.listeners: list[Callable[[Stored], None]] = []
        self._messages: dict[int, Stored] = {}
        self._by_subject: dict[str, list[int]] = {}
        self._receipts: dict[str, tuple[datetime, Receipt]] = {}

    def takes(self, subject: str) -> bool:
        """Tell whether messages on a subject are stored here."""
        return self._subjects.fullmatch(subject) is not None

    def store(
        self, subject: str, data: bytes, headers: Mapping[str, str], *, time: datetime, expect: Expect | None = None
    ) -> Receipt:
        """Store a message at a time; its id, for the dedupe window, is its header ``Nats-Msg-Id``.

        Raises:
            ConflictError, SubjectFullError: as ``Publisher.publish`` says.
        """
        self.expire(time)
        message_id = headers.get(MESSAGE_ID)
        # The id comes first: an own retry must find its message, not the conflict that this message makes.
        if message_id in self._receipts:
            first = self._receipts[message_id][1]
            return Receipt(first.stream, first.sequence, duplicate=True)
        if expect is not None:
            self._check(subject, expect)
        self._make_room(subject)
        self.last_sequence += 1
        stored = Stored(self.config.name, self.last_sequence, subject, data, time, dict(headers))
        self._messages[stored.sequence] = stored
        self._by_subject.setdefault(subject, []).append(stored.sequence)
        receipt = Receipt(stored.stream, stored.sequence)
        if message_id is not None:
            self._receipts[message_id] = (time, receipt)
        for listener in tuple(self.listeners):
            listener(stored)
        return receipt

    def get(self, sequence: int) -> Stored | None:
        """Return the message with a sequence."""
        return self._messages.get(sequence)

    def after(self, sequence: int) -> list[Stored]:
        """Return the messages behind a sequence, in order."""
        return [stored for stored in self._messages.values() if stored.sequence > sequence]

    def next(self, subject: str, sequence: int) -> Stored | None:
        """Return the first message behind a sequence on a subject with wildcards."""
        wanted = compile_filters([subject])
        return next((stored for stored in self.after(sequence) if wanted.fullmatch(stored.subject)), None)

    def last(self, subject: str) -> Stored | None:
        """Return the last message on a literal subject."""
        sequences = self._by_subject.get(subject)
        return self._messages[sequences[-1]] if sequences else None

    def last_per_subject(self, filters: Sequence[str], up_to: int) -> list[Stored]:
        """Return the last message of each subject that matches a filter, in stream order, none behind ``up_to``."""
        wanted = compile_filters(filters)
        matching = [found for subject, found in self._by_subject.items() if wanted.fullmatch(subject)]
        last = [max((sequence for sequence in found if sequence <= up_to), default=0) for found in matching]
        return [self._messages[sequence] for sequence in sorted(last) if sequence]

    def remove(self, sequence: int) -> None:
        """Forget a message, if it is still there."""
        stored = self._messages.pop(sequence, None)
        if stored is None:
            return
        sequences = self._by_subject[stored.subject]
        sequences.remove(sequence)
        if not sequences:
            del self._by_subject[stored.subject]

    def purge(self, subject: str) -> None:
        """Forget every message on the subjects that match."""
        wanted = compile_filters([subject])
        for sequences in [found for name, found in self._by_subject.items() if wanted.fullmatch(name)]:
            for sequence in tuple(sequences):
                self.remove(sequence)

    def expire(self, now: datetime) -> None:
        """Forget the messages and ids that are too old at a time."""
        window = timedelta(seconds=self.config.duplicate_window_s)
        while self._receipts and now - next(iter(self._receipts.values()))[0] > window:
            del self._receipts[next(iter(self._receipts))]
        if self.config.max_age_s is None:
            return
        age = timedelta(seconds=self.config.max_age_s)
        while self._messages and now - (oldest := next(iter(self._messages.values()))).time > age:
            self.remove(oldest.sequence)

    def _check(self, subject: str, expect: Expect) -> None:
        last = self._last_sequence(expect.subject)
        if last != expect.sequence:
            about = "" if expect.subject == subject else f" on {expect.subject}"
            raise ConflictError(subject, f"the last sequence{about} is {last}, not {expect.sequence}")

    def _last_sequence(self, filter_: str) -> int:
        if not {"*", ">"} & set(filter_.split(".")):
            return self._by_subject.get(filter_, [0])[-1]
        wanted = compile_filters([filter_])
        return max((found[-1] for subject, found in self._by_subject.items() if wanted.fullmatch(subject)), default=0)

    def _make_room(self, subject: str) -> None:
        sequences = self._by_subject.get(subject, [])
        if self.config.max_per_subject < 0 or len(sequences) < self.config.max_per_subject:
            return
        if self.config.refuse_when_full:
            raise SubjectFullError(subject)
        self.remove(sequences[0])
