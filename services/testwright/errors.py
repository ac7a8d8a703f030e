"""Every error that testwright raises: each builds its own message and says what to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the verbs load these errors before anything else, and the schemas take longer than they do
    from testwright_schemas import Usage


class TestwrightError(Exception):
    """Raised when testwright cannot do what was asked; the base of all its errors.

    Attributes:
        number: of its class, for looking it up; one that was released is never changed, and never given to another.
    """

    __test__ = False
    number: ClassVar[int] = 100

    def __init_subclass__(cls, *, number: int | None = None) -> None:
        """Number a class of errors; one of a third party has the number of what it is derived from."""
        if number is not None:
            cls.number = number


class InvalidSubmissionError(TestwrightError, number=110):
    """Raised when a submission is refused: ``field`` says where, ``reason`` why."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


class SnapshotError(TestwrightError, number=111):
    """Raised when a project's files cannot be bundled, or a bundle cannot be unpacked safely."""


class BranchError(TestwrightError, number=112):
    """Raised when suites cannot be committed on a branch; nothing of the repository has changed then."""

    def __init__(self, branch: str, reason: str) -> None:
        self.branch = branch
        self.reason = reason
        super().__init__(f"nothing can be committed on the branch {branch!r}: {reason}")


class TaskNotFoundError(TestwrightError, number=120):
    """Raised when nobody has ever submitted a task with this id (or its events have expired)."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"no task {task_id!r}: check the id with `testwright list`")


class WaitTimeoutError(TestwrightError, TimeoutError, number=130):
    """Raised when a task has not ended in the time the caller gave; it goes on unless the caller had it cancelled."""

    def __init__(self, task_id: str, timeout_s: float, *, cancelled: bool = False) -> None:
        self.task_id = task_id
        self.timeout_s = timeout_s
        self.cancelled = cancelled
        then = "its end was asked for" if cancelled else "it goes on, ask again later"
        super().__init__(f"task {task_id!r} has not ended after {timeout_s:g} s; {then}")


class UnreadableEndError(TestwrightError, number=132):
    """Raised when the event that says how a task has ended cannot be read."""

    def __init__(self, task_id: str) -> None:
        remedy = "upgrade this client if the actors are newer; else ask again, as the collector ends the task for good"
        super().__init__(f"what says that task {task_id!r} has ended cannot be read: {remedy}")


class TestGenerationError(TestwrightError, RuntimeError, number=131):
    """Raised by the guide's API when a task cannot be submitted, is unknown, or its suite cannot be fetched."""


class WorkflowDefinitionError(TestwrightError, number=113):
    """Raised when a workflow is defined wrongly; ``place`` says where."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"{place}: {reason}")


class ScheduleNotFoundError(TestwrightError, number=121):
    """Raised when there is no schedule with this id (or its events have expired)."""

    def __init__(self, schedule_id: str) -> None:
        self.schedule_id = schedule_id
        super().__init__(f"no schedule {schedule_id!r}: check the id with `testwright schedule list`")


class RunNotFoundError(TestwrightError, number=122):
    """Raised when nobody has ever started a workflow run with this id (or its events have expired)."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no workflow run {run_id!r}: check the id")


class BusError(TestwrightError, number=200):
    """Raised when the bus refuses or fails an operation; the base of the errors below."""


class ServerStartError(BusError, number=201):
    """Raised when the embedded server does not come up; carries the tail of its log."""

    def __init__(self, reason: str, log: str = "") -> None:
        self.log = log
        super().__init__(f"the embedded NATS server did not start: {reason}" + (f"\n{log}" if log else ""))


class ConnectError(BusError, number=202):
    """Raised when no server can be reached, or it refuses our credentials."""


class CredentialsError(TestwrightError, number=203):
    """Raised when credentials cannot be made, replaced or retired as asked; says why."""


class BusClosedError(BusError, number=204):
    """Raised when an operation meets a connection that was closed for good."""


class PublishTimeoutError(BusError, number=205):
    """Raised when a publish was not confirmed in time although it was retried; it may still have been stored."""


class BusTimeoutError(BusError, number=206):
    """Raised when the server did not answer in time although it was asked again; ask later."""

    def __init__(self, asked: str, timeout_s: float) -> None:
        self.asked = asked
        self.timeout_s = timeout_s
        super().__init__(f"no answer from the server about {asked} within {timeout_s:g} s: is it overloaded, or down?")


class PayloadTooLargeError(BusError, number=207):
    """Raised when a message with its headers exceeds what the server takes; nothing was sent."""

    def __init__(self, subject: str, size: int, limit: int) -> None:
        self.subject = subject
        self.size = size
        self.limit = limit
        super().__init__(f"message for {subject} has {size} bytes with headers, the server takes {limit}")


class ConflictError(BusError, number=208):
    """Raised when a conditional publish is refused: the last message on the subject is another than expected."""

    def __init__(self, subject: str, detail: str = "") -> None:
        self.subject = subject
        super().__init__(f"someone else was first on {subject}" + (f": {detail}" if detail else ""))


class SubjectFullError(BusError, number=209):
    """Raised when a queue already holds a message on this subject and takes one only."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(f"{subject} already holds a message")


class PermissionDeniedError(BusError, number=210):
    """Raised when the server refuses an operation to our credentials; names the operation and the subject."""

    def __init__(self, operation: str, subject: str) -> None:
        self.operation = operation
        self.subject = subject
        super().__init__(f"the server's permissions do not allow to {operation} {subject!r} with these credentials")


class StreamNotFoundError(BusError, number=211):
    """Raised when a stream or consumer does not exist; says how to create it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} does not exist on this server: run `testwright topology apply`")


class StreamReplacedError(BusError, number=215):
    """Raised when a stream has no more what was already read from it; whoever follows it is to start anew."""


class BlobNotFoundError(BusError, number=212):
    """Raised when the object store has no object with this digest (any more)."""

    def __init__(self, bucket: str, digest: str) -> None:
        self.bucket = bucket
        self.digest = digest
        super().__init__(f"{bucket} has no object {digest} (any more)")


class BlobCorruptError(BusError, number=213):
    """Raised when an object's content does not have the digest it is named by."""


class BlobTooLargeError(BlobCorruptError, number=214):
    """Raised when an object is longer than what is taken; not much more than that of it was read."""

    def __init__(self, bucket: str, digest: str, most: int) -> None:
        self.bucket = bucket
        self.digest = digest
        self.most = most
        super().__init__(f"object {digest} of {bucket} has more than {most} bytes")


class SandboxError(TestwrightError, number=300):
    """Raised when a sandboxed process cannot be started at all."""


class WorkError(TestwrightError, number=301):
    """Raised when an attempt cannot yield a result.

    Attributes:
        cause: one kebab-case word for programs.
        retryable: whether another try of the same engine may succeed.
        log: the tail of what the process printed, for the artifact store.
        usage: what was consumed all the same; ``None`` where nobody knows, or it is of no interest.
        retry_after_s: seconds that a provider asked to be left alone for. Such an attempt is given back unspent: it is
            not counted as a try.
        pause_s: seconds for which all are to leave a provider alone that fails again and again; the attempt counts.
    """

    def __init__(
        self,
        cause: str,
        message: str,
        *,
        retryable: bool = False,
        log: bytes = b"",
        usage: "Usage | None" = None,
        retry_after_s: float | None = None,
        pause_s: float | None = None,
    ) -> None:
        self.cause = cause
        self.retryable = retryable
        self.log = log
        self.usage = usage
        self.retry_after_s = retry_after_s
        self.pause_s = pause_s
        super().__init__(message)


class SandboxUnavailableError(WorkError, number=302):
    """Raised when a machine cannot isolate foreign code as strongly as is demanded."""

    def __init__(self, message: str) -> None:
        super().__init__("sandbox-unavailable", message)


class EngineError(WorkError, number=303):
    """Raised when an engine fails or yields nothing usable."""


class EnvironmentBuildError(WorkError, number=304):
    """Raised when the environment that a module needs cannot be built."""


class VerificationError(WorkError, number=305):
    """Raised when a candidate cannot be judged at all."""


class SettingError(TestwrightError, number=400):
    """Raised when a variable of the environment has a value that cannot be used; names the variable."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name} {reason}: correct or unset it")


class RequestRefusedError(TestwrightError, number=401):
    """Raised when the gateway refuses a request: the HTTP status, one kebab-case word for programs, and the reason."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        super().__init__(f"{kind}: {detail}")


class DeadLetterNotFoundError(TestwrightError, number=123):
    """Raised when there is no dead letter with this id (any more)."""

    def __init__(self, letter_id: str) -> None:
        self.letter_id = letter_id
        super().__init__(f"no dead letter {letter_id!r}: check the id with `testwright dead list`")


class EvidenceNotFoundError(TestwrightError, number=124):
    """Raised when what was to be verified is neither a file, nor a folder, nor what an id looks like."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is no file, no folder, no id: `testwright result ID --bundle FILE` writes a bundle")
