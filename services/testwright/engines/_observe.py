"""Runs calls in the sandbox, each in a process of its own, and writes down what comes of them as a test would.

A program of its own, without anything of testwright: it reads from standard input a JSON object with ``paths``,
``module``, ``prelude`` (source) and ``calls`` (a list of lists of statements), and writes one JSON line for each list
that came to an end: its ``index``, the ``lines`` of a test, and ``seen``, the values and errors in them. What makes no
assertion is left out. It imports the module under test, so nothing that it says is to be believed before it was
verified.
"""

import ast
import builtins
import contextlib
import json
import os
import signal
import sys
from typing import Any, cast

CALL_S = 0.5
"""Seconds that one list of statements may take."""

LONGEST = 200
"""Characters of a value that is worth an assertion."""

_FLAT = (bool, int, float, str, bytes, type(None))
_SINGLE = ("None", "True", "False", "NotImplemented")
_OF_THE_MACHINE = (MemoryError, RecursionError)


def main() -> None:
    """Do what standard input says."""
    order = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    sys.path[:0] = order["paths"]
    names: dict[str, Any] = {}
    exec(compile(order["prelude"], "prelude", "exec"), names)  # noqa: S102  the tests' own imports, in the sandbox
    for index, statements in enumerate(order["calls"]):
        found = apart(statements, names, order["module"])
        if found:
            report.write(json.dumps({"index": index} | found) + "\n")
            report.flush()


def apart(statements: list[str], names: dict[str, Any], module: str) -> dict[str, Any]:
    """Run statements in a child; return what came of them, nothing where that is nothing to assert."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Whatever a call does, this process ends here, without the parent's clean-up.
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, CALL_S)
            os.write(writing, json.dumps(observed(statements, names, module)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(said) if said else {}


def observed(statements: list[str], names: dict[str, Any], module: str) -> dict[str, Any]:
    """Run statements; return them as the lines of a test, an error that one of them raises last."""
    lines: list[str] = []
    seen: list[str] = []
    for text in statements:
        statement = ast.parse(text).body[0]
        try:
            said, line = _said(statement, text, names, module)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a call may raise anything
            name = _name_of(type(error), names, module)
            raising = ast.unparse(getattr(statement, "value", statement))
            end = [f"with pytest.raises({name}):", f"    {raising}"]
            return {"lines": [*lines, *end], "seen": [*seen, name]} if name else {}
        if said:
            lines.append(line)
            seen.append(said)
        elif not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Call):
            lines.append(text)
    return {"lines": lines, "seen": seen} if seen else {}


def _said(statement: ast.stmt, text: str, names: dict[str, Any], module: str) -> tuple[str, str]:
    """Run a statement; return what is seen of its value, and an assertion of it; empty where it has none to show."""
    if not isinstance(statement, ast.Expr):
        exec(text, names)  # noqa: S102  running it is the point, and the sandbox the place
        return "", ""
    value = eval(text, names)  # noqa: S307  as above
    try:
        return _described(value, text, names, module)
    except Exception:  # noqa: BLE001  it does not show itself, or is like nothing
        return "", ""


def _described(value: Any, text: str, names: dict[str, Any], module: str) -> tuple[str, str]:
    source = plain(value) or _of_class(value, names, module)
    if source:
        return source, f"assert {text} {'is' if source in _SINGLE else '=='} {source}"
    shown = _shown(value)
    if not shown and callable(value) and not isinstance(value, type):
        # What a function that makes functions is asked for: that it makes one.
        return "callable", f"assert callable({text})"
    return shown, f"assert repr({text}) == {shown!r}"


def _of_class(value: Any, names: dict[str, Any], module: str) -> str:
    """Return the source of a value whose class the test can name, empty where its own words are none."""
    kind = cast("Any", type(value))
    homes = [sys.modules.get(module), sys.modules.get(kind.__module__)]
    places = (name for name, place in names.items() if any(place is home for home in homes))
    place = next((name for name in places if getattr(names[name], kind.__name__, None) is kind), "")
    source = f"{place}.{repr(value).removeprefix(f'{kind.__module__}.')}"
    try:
        same = bool(place) and len(source) <= LONGEST and eval(source, names) == value  # noqa: S307  as above
    except Exception:  # noqa: BLE001  it is not a source
        return ""
    return source if same is True else ""


def _shown(value: Any) -> str:
    """Return how a value shows itself, empty where its class does not say, or says where it lies."""
    kind = cast("Any", type(value))
    if kind.__repr__ is object.__repr__ or isinstance(value, type):
        return ""
    shown = repr(value)
    return shown if len(shown) <= LONGEST and not shown.startswith("<") and " at 0x" not in shown else ""


def plain(value: Any) -> str:
    """Return the source of a value that equals itself and has a short one, otherwise the empty string."""
    if value is NotImplemented:
        return "NotImplemented"
    if not _is_plain(value):
        return ""
    text = repr(value)
    try:
        same = len(text) <= LONGEST and ast.literal_eval(text) == value
    except (ValueError, SyntaxError):
        return ""
    return text if same else ""


def _is_plain(value: Any) -> bool:
    parts: list[Any] = []
    if type(value) in {list, tuple, set}:
        parts = [*value]
    elif type(value) is dict:
        parts = [*value.keys(), *value.values()]
    elif type(value) not in _FLAT:
        return False
    return all(map(_is_plain, parts))


def _name_of(error: type[BaseException], names: dict[str, Any], module: str) -> str:
    """Return what a test calls a class of errors, empty where it has no name for it."""
    word = error.__name__
    if issubclass(error, _OF_THE_MACHINE):
        return ""
    if getattr(builtins, word, None) is error:
        return word
    target = sys.modules.get(module)
    alias = next((name for name, value in names.items() if value is target), "")
    return f"{alias}.{word}" if alias and getattr(target, word, None) is error else ""


if __name__ == "__main__":
    main()
