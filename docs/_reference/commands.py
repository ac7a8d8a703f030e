"""The page of verbs and options, from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

from docs._reference.text import GENERATED, table
from testwright.cli.root import VERBS, load

_MACHINE = re.compile(r"; default: .*/.*$")

HEAD = """# Verbs and options

What `testwright VERB --help` says, of every verb. [The command line](../cli.md) explains them, with exit codes.
"""


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command below one that may have commands of its own, with its whole name."""
    parts = getattr(command, "commands", None)
    if parts is None:
        yield name, command
        return
    for part, each in parts.items():
        yield from leaves(f"{name} {part}", each)


def every() -> dict[str, Any]:
    """Return every command by its whole name."""
    return {name: command for verb in VERBS for name, command in leaves(verb, load(verb))}


def commands() -> str:
    """Return the page."""
    parts = [GENERATED, HEAD, *(_section(name, command) for name, command in every().items())]
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    given = "".join(f" {_argument(each)}" for each in shown if each.param_type_name == "argument")
    rows = [_row(each) for each in shown if each.param_type_name == "option"]
    told = " ".join((command.help or "").replace("``", "`").split())
    return f"## {name}\n\n```text\ntestwright {name}{given} [OPTIONS]\n```\n\n{told}\n\n" + table(["option", ""], rows)


def _argument(parameter: Any) -> str:
    word = (parameter.metavar or parameter.name or "").upper().strip("[]").rstrip(".")
    word = f"{word}..." if parameter.nargs == -1 else word
    return word if parameter.required else f"[{word}]"


def _row(option: Any) -> list[str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" `{option.metavar or option.name.upper()}`"
    return [names + value, _MACHINE.sub("", option.help or "")]
