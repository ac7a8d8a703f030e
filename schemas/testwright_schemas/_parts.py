"""What can be read from a subject; ``subjects`` hands it on."""

from testwright_schemas._base import is_word

_NAMESPACE_AT = {"command": 2, "event": 2, "timer": 3, "work": 5}


def is_dead(subject: str) -> bool:
    """Return whether a subject is that of a dead letter."""
    match subject.split("."):
        case [_, "event", _, "dead", _, _]:
            return True
        case _:
            return False


def namespace_of(subject: str) -> str:
    """Return the namespace in one of our subjects, ``default`` where it has none that could be one."""
    tokens = subject.split(".")
    index = _NAMESPACE_AT.get(tokens[1] if len(tokens) > 1 else "", -1)
    return tokens[index] if 0 <= index < len(tokens) and is_word(tokens[index]) else "default"


def task_of(subject: str) -> str | None:
    """Return the task id in one of our subjects, ``None`` where it names no task."""
    match subject.split("."):
        case (
            [_, "work", _, _, _, _, task_id, *_] | [_, "event", _, "task", task_id, _] | [_, "timer", _, _, task_id, _]
        ) if is_word(task_id):
            return task_id
        case _:
            return None


def job_of(subject: str) -> str | None:
    """Return the job id in an event's subject, ``None`` where it names no job."""
    match subject.split("."):
        case [_, "event", _, "job", job_id, _]:
            return job_id
        case _:
            return None
