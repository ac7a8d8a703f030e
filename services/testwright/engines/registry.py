"""Finds the engines that are installed, by entry point."""

from importlib.metadata import entry_points

from testwright.engines import Engine
from testwright.errors import EngineError

GROUP = "testwright.engines"


def names() -> tuple[str, ...]:
    """Return the names of all installed engines, sorted."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def load(name: str) -> Engine:
    """Return an engine by name.

    Raises:
        EngineError: there is none of that name; the message lists those there are.
    """
    for point in entry_points(group=GROUP, name=name):
        engine: Engine = point.load()()
        return engine
    raise EngineError("unknown-engine", f"no engine {name!r}: installed are {', '.join(names())}")


def charges(name: str) -> bool:
    """Return whether an engine's work may cost money; one of a third party that does not say may."""
    try:
        return bool(getattr(load(name), "charges", True))
    except EngineError:
        return True


def check(name: str) -> None:
    """Return if an engine can run on this machine.

    Raises:
        EngineError: it cannot, or there is none of that name; says what to do.
    """
    found = load(name).status()
    if not found.available:
        remedy = f"; {found.remedy}" if found.remedy else ""
        raise EngineError("engine-unavailable", f"the engine {name} cannot run here: {found.detail}{remedy}")
