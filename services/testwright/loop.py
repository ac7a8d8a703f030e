"""The event loop of processes that serve: uvloop where it is installed, which takes a fifth less CPU for each message.

A client runs on whatever loop its program has.
"""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TypeVar

import anyio

T = TypeVar("T")


def name() -> str:
    """Return which one it is, ``uvloop`` or ``asyncio``; Windows and PyPy have the latter."""
    return "uvloop" if find_spec("uvloop") else "asyncio"


def run(main: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run an asynchronous function on it and return what that returns.

    Args:
        main: the function.
        args: for it, by position.
    """
    return anyio.run(main, *args, backend_options={"use_uvloop": name() == "uvloop"})
