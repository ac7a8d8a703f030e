"""What honest tests do outside their own folders is noted, and what they do inside is not."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testwright.verification._runner.diffs import Diffs
from testwright.verification._runner.mutants import mutants
from testwright.verification._runner.watch import Watch


def noted(*events: tuple[str, tuple[Any, ...]], act: Callable[[], object] = lambda: None) -> list[str]:
    watch = Watch()
    watch.begin()
    for name, arguments in events:
        watch.hear(name, arguments)
    act()
    return watch.end()


@pytest.mark.parametrize(
    ("event", "arguments", "said"),
    [
        ("open", ("/etc/motd", "w", 0), "writes /etc/motd"),
        ("open", ("/etc/motd", None, os.O_WRONLY), "writes /etc/motd"),
        ("open", ("data.json", "a", 0), "writes data.json"),
        ("os.remove", ("/etc/motd", -1), "removes /etc/motd"),
        ("os.rename", ("/tmp/x", "/etc/motd", -1, -1), "replaces /etc/motd"),
        ("os.truncate", ("/etc/motd", 0), "cuts /etc/motd"),
        ("shutil.rmtree", ("/etc", None), "removes /etc"),
        ("sqlite3.connect", ("/etc/a.db",), "writes /etc/a.db"),
        ("socket.connect", (None, ("192.0.2.1", 80)), "connects to 192.0.2.1:80"),
        ("socket.getaddrinfo", ("example.org", 80, 0, 0, 0), "looks up the host example.org"),
        ("subprocess.Popen", ("git", ["git", "status"], None, None), "starts the program git"),
        ("os.system", (b"ls",), "runs the command ls"),
    ],
)
def test_what_leaves_the_tests_own_folders_is_noted(event: str, arguments: tuple[Any, ...], said: str) -> None:
    assert noted((event, arguments)) == [said]


def test_the_working_folder_is_the_users_even_where_it_is_a_temporary_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert noted(("open", ("left.txt", "w", 0))) == ["writes left.txt"]
    assert noted(("open", (str(tmp_path.parent / "other" / "left.txt"), "w", 0))) == []


def test_what_stays_inside_is_not_noted() -> None:
    inside = str(Path(tempfile.gettempdir(), "x", "y"))

    assert not noted(
        ("open", (inside, "w", 0)),
        ("open", ("/etc/hostname", "r", 0)),
        ("open", (7, "w", 0)),
        ("open", ("/dev/null", "w", 0)),
        ("open", (".hypothesis/examples/a", "w", 0)),
        ("os.remove", ("entry", 7)),
        ("os.mkdir", (inside, 0o777, -1)),
        ("sqlite3.connect", (":memory:",)),
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, "/run/some.sock")),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("subprocess.Popen", (sys.executable, [sys.executable], None, None)),
        ("import", ("json",)),
        ("open", ("strange",)),
    )


def test_what_a_test_leaves_changed_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def leave() -> None:
        monkeypatch.setenv("SHOP_MODE", "test")
        monkeypatch.chdir(tmp_path)

    assert noted(act=leave) == [
        "leaves the environment variable SHOP_MODE changed",
        "leaves the process in another working folder",
    ]


def test_nothing_is_noted_before_a_test_or_after_it() -> None:
    watch = Watch()
    watch.hear("open", ("/etc/motd", "w", 0))
    watch.begin()
    assert watch.end() == []
    watch.hear("open", ("/etc/motd", "w", 0))
    watch.begin()
    assert watch.end() == []


def test_a_few_things_stand_for_many() -> None:
    assert len(noted(*(("open", (f"/etc/{n}", "w", 0)) for n in range(100)))) == 5


def shown(source: str) -> set[tuple[str, str]]:
    import ast  # noqa: PLC0415  used here alone

    tree = ast.parse(source)
    diffs = Diffs(tree)
    before = ast.dump(tree)
    found = {diffs.of(mutant) for mutant in mutants(tree)}
    assert ast.dump(tree) == before
    return found


def test_a_mutant_is_shown_as_the_statement_that_it_changes() -> None:
    assert shown("def f(a):\n    return a + 1\n") == {
        ("return a + 1", "return a - 1"),
        ("return a + 1", "return a + 2"),
        ("return a + 1", "return None"),
    }


def test_a_mutant_of_a_compound_statement_is_shown_by_its_header() -> None:
    found = shown("def f(a):\n    if a < 2:\n        g(a)\n    else:\n        h()\n    for x in a:\n        raise x\n")

    assert ("if a < 2:", "if a <= 2:") in found
    assert ("if a < 2:", "if False:") in found
    assert ("g(a)", "pass") in found
    assert ("raise x", "pass") in found
    assert not any("h()" in before and "if" in before for before, _ in found)
