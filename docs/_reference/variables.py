"""The page of environment variables, from the docstrings of ``testwright.settings``."""

import inspect
import re
from collections.abc import Iterator

import msgspec

from docs._reference.text import GENERATED, prose, table
from testwright import settings

HEAD = """# Settings

testwright has no configuration file of its own: what is not said on the command line comes from these variables of
the environment. Where a variable holds a secret, the variable with `_FILE` behind its name may name a file that
holds it. What a *submission* asks for is its policy, see [Policy](events.md#policy); a project's own defaults for
workflows are in `[tool.testwright]`, see [workflows](../workflows.md).
"""

_SOURCES = (settings.__name__, "testwright._telemetry")
_ENTRY = re.compile(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"`((?:[A-Z]+_)*(?:TESTWRIGHT|NATS|OTEL)_[A-Z_]+)`")


def structs() -> Iterator[type[msgspec.Struct]]:
    """Yield every group of settings."""
    for thing in vars(settings).values():
        if inspect.isclass(thing) and issubclass(thing, msgspec.Struct) and thing.__module__ in _SOURCES:
            yield thing


def named() -> set[str]:
    """Return every variable that the page has."""
    return set(_VARIABLE.findall(variables()))


def variables() -> str:
    """Return the page."""
    parts = [GENERATED, HEAD, *(_section(struct) for struct in structs()), _functions()]
    return "\n".join(parts)


def _section(struct: type[msgspec.Struct]) -> str:
    told = prose(struct)
    title = re.sub(r"(?<!^)(?=[A-Z])", " ", struct.__name__.removesuffix("Settings") or "Everything").capitalize()
    _, _, attributes = told.partition("Attributes:\n")
    rows = [[_names(text), _without(text)] for _, text in _ENTRY.findall(attributes) if _VARIABLE.search(text)]
    return f"## {title}\n\n{told.splitlines()[0]}\n\n{table(['variable', 'meaning'], rows)}"


def _functions() -> str:
    rows: list[list[str]] = []
    for thing in vars(settings).values():
        if inspect.isfunction(thing) and not thing.__name__.startswith("_"):
            told = prose(thing).split("\n\nRaises:", maxsplit=1)[0]
            if _VARIABLE.search(told):
                rows.append([_names(told), told.removeprefix("Return ")])
    return f"## Keys and places\n\n{table(['variable', 'meaning'], rows)}"


def _names(text: str) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(_VARIABLE.findall(text)))


def _without(text: str) -> str:
    """Return a text without the parentheses that only name its variable."""
    return re.sub(r" \(`[A-Z_]+`\)", "", " ".join(text.split()))
