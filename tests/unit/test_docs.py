"""The documentation: what is generated is current, what it names exists, and the site builds without a warning."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs._reference import variables
from docs._reference.commands import every
from docs._reference.failures import REMEDIES, classes
from docs._reference.pages import FOLDER, PAGES

ROOT = Path(__file__).parents[2]
GENERATED = {FOLDER / name for name in PAGES}
WRITTEN = sorted({ROOT / "README.md", *ROOT.glob("deploy/**/*.md"), *ROOT.glob("docs/**/*.md")} - GENERATED)
STALE = "run `just reference` and commit what it writes"
FAILURES = {"EngineError", "EnvironmentBuildError", "VerificationError", "WorkError"}


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_reference_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), STALE


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words behind each ``testwright`` in a page's blocks of code and in its spans of code."""
    fenced = re.findall(r"^```(?:console|bash|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(
        r"(?<!`)`(testwright [^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *spans]:
        for found in re.findall(r"(?:^\s*(?:\$ )?|uv run |[;&|(] *)testwright ([a-z].*)", line):
            try:
                yield shlex.split(re.split(r"[;&|)>]", found)[0], comments=True)
            except ValueError:  # a placeholder with one quote
                yield found.split()


def unknown(words: list[str], known: dict[str, Any]) -> list[str]:
    """Return what a command line says that the command line of testwright does not know."""
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
    if name is None:
        is_group = any(each.startswith(f"{words[0]} ") for each in known)
        return [] if is_group else [words[0]]
    options = {option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    said = [word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)]
    return [f"{name} {option}" for option in said if option not in options | {"--help"}]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_verb_and_option_that_a_page_shows_exists(page: Path) -> None:
    known = every()

    assert [word for words in commands_in(page.read_text(encoding="utf-8")) for word in unknown(words, known)] == []


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("```console\n$ testwright generate src --magic\n```", ["generate --magic"]),
        ("```console\nuv run testwright conjure src\n```", ["conjure"]),
        ("Use `testwright workflow run FILE --wand`.", ["workflow run --wand"]),
        ("```console\n$ testwright submit src \\\n    --at 03:30 --never\n```", ["submit --never"]),
        ("```console\n$ testwright submit src --at 'in 10m' | grep x\n```", []),
    ],
)
def test_what_does_not_exist_is_found(page: str, wrong: list[str]) -> None:
    known = every()

    assert [word for words in commands_in(page) for word in unknown(words, known)] == wrong


def test_every_variable_that_settings_read_is_on_the_page() -> None:
    tree = ast.parse((ROOT / "services" / "testwright" / "settings.py").read_bytes())
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]

    read = {text for text in literals if re.fullmatch(r"(TESTWRIGHT|NATS|OTEL)_[A-Z_]+", text)}

    assert read - variables.named() == set()


def test_every_cause_of_a_failure_has_a_remedy_on_the_page() -> None:
    causes: set[str] = set()
    for path in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FAILURES and node.args:
                match node.args[0]:
                    case ast.Constant(value=str(cause)):
                        causes.add(cause)
                    case _:
                        pass

    assert causes - REMEDIES.keys() == set()
    assert len(causes) > 20


def test_every_error_says_when_it_is_raised() -> None:
    assert [each.__name__ for each in classes() if not (each.__doc__ or "").startswith("Raised ")] == []


def test_the_site_builds_without_a_warning_and_asks_nobody_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]

    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:<link[^>]+href|<(?:script|img)[^>]+src)="(?:https?:)?//[^"]*"', page) == []
    assert json.loads((tmp_path / "search" / "search_index.json").read_bytes())["docs"]
