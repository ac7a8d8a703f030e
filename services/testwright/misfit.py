"""What does not fit: the only place that reads what msgspec says of a value that it refuses."""

import msgspec

from testwright_schemas import Token

WORD = "must be letters, digits, '-' and '_', at most 64"
"""What a name has to be that is one word of a subject: a namespace, an engine, a stage."""


def misfit(error: msgspec.DecodeError) -> tuple[str, str]:
    """Return where a value does not fit, such as ``policy.engines[0]`` (empty for all of it), and why."""
    reason, _, place = str(error).partition(" - at `$")
    return place.rstrip("`").removeprefix("."), WORD if reason == _NO_WORD else reason


def _refused() -> str:
    try:
        msgspec.convert("", Token)
    except msgspec.ValidationError as error:
        return str(error)
    raise AssertionError  # a word has a letter


_NO_WORD = _refused()
"""Names the pattern of words, which nobody wants to read."""
