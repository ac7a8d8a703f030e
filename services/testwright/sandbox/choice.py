"""The only place that chooses a sandbox: what an operator allows, and what a task demands."""

from importlib.metadata import entry_points
from typing import Literal, get_args

from testwright.errors import SandboxUnavailableError, SettingError
from testwright.sandbox import Sandbox
from testwright.settings import SANDBOX
from testwright_schemas import Isolation, Policy

Mode = Literal["auto", "required", "docker"]
"""``auto`` takes the strongest level that works without a container; ``required`` runs nothing below bubblewrap;
``docker`` runs everything in containers."""

GROUP = "testwright.sandboxes"
"""Entry points of sandboxes from elsewhere: classes, or functions, that take nothing and return a ``Sandbox``."""

STRONG: frozenset[Isolation] = frozenset({"bubblewrap", "docker"})
"""Levels with a view of the file system, and a network, of their own."""

_REMEDY = "install bubblewrap (bwrap) and allow user namespaces, or use --sandbox docker"


def names() -> tuple[str, ...]:
    """Return the modes, and behind them the sandboxes from elsewhere that are installed."""
    return (*get_args(Mode), *sorted(point.name for point in entry_points(group=GROUP)))


def mode(name: str) -> str:
    """Return the name of a mode, or of a sandbox from elsewhere, if there is one of that name.

    Raises:
        SettingError: there is none.
    """
    if name in names():
        return name
    raise SettingError(SANDBOX, f"is {name!r} and not one of {', '.join(names())}")


def choose(wanted: str) -> Sandbox:
    """Return a sandbox of this machine.

    Args:
        wanted: see ``mode``.

    Raises:
        SandboxUnavailableError: this machine has none such.
    """
    if wanted == "docker":
        from testwright.sandbox.docker import DockerSandbox  # noqa: PLC0415  few that know of modes run anything

        return DockerSandbox.connect()
    if wanted not in get_args(Mode):
        [point] = entry_points(group=GROUP, name=wanted)
        made: Sandbox = point.load()()
        return made
    from testwright.sandbox.local import LocalSandbox  # noqa: PLC0415  as above

    sandbox = LocalSandbox()
    if wanted == "required" and sandbox.isolation not in STRONG:
        raise SandboxUnavailableError(f"bubblewrap is required and does not work here: {_REMEDY}")
    return sandbox


def demand(policy: Policy, sandbox: Sandbox) -> None:
    """Return if a sandbox is as strong as a task demands.

    Raises:
        SandboxUnavailableError: it is not.
    """
    if policy.sandbox == "required" and sandbox.isolation not in STRONG:
        message = f"the task demands isolation, this worker has level {sandbox.isolation} only: {_REMEDY}"
        raise SandboxUnavailableError(message)
