"""The documentation: what is generated is current, what it names exists, and the site builds without a warning."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs._reference import variables
from docs._reference.commands import every
from docs._reference.failures import ANSWERS, REMEDIES, RETRIED, classes
from docs._reference.pages import FOLDER, PAGES
from testwright_schemas import subjects

ROOT = Path(__file__).parents[2]
GENERATED = {FOLDER / name for name in PAGES}
WRITTEN = sorted({ROOT / "README.md", *ROOT.glob("deploy/**/*.md"), *ROOT.glob("docs/**/*.md")} - GENERATED)
STALE = "run `just reference` and commit what it writes"
FAILURES = {
    "EngineError",
    "EnvironmentBuildError",
    "Failure",
    "Stop",
    "TaskError",
    "VerificationError",
    "WorkError",
}


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
        names_none = len(words) == 1 or not re.fullmatch("[a-z-]+", words[1])
        return [] if is_group and names_none else [" ".join(words[: 1 + is_group])]
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
        ("See `testwright dead resurrect`, or `testwright dead list`.", ["dead resurrect"]),
        ("Everything about `testwright dead LETTER`, and `testwright auth`.", []),
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


def causes() -> Iterator[tuple[str, bool]]:
    """Yield each cause of a failure that the sources name, and whether it may be tried again there."""
    for path in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in FAILURES:
                    named = {keyword.arg: keyword.value for keyword in node.keywords}
                    cause = node.args[0] if node.args else named.get("cause")
                    again = named.get("retryable")
                case ast.Tuple(elts=[ast.Constant(value=str()) as cause, ast.Constant(value=bool()) as again]):
                    pass
                case _:
                    continue
            if isinstance(cause, ast.Constant) and isinstance(cause.value, str):
                yield cause.value, not (again is None or (isinstance(again, ast.Constant) and again.value is False))


def test_every_cause_of_a_failure_has_a_remedy_on_the_page_which_says_whether_it_is_tried_again() -> None:
    found = set(causes())

    assert {cause for cause, _ in found} - REMEDIES.keys() == set()
    assert {cause for cause, again in found if again} == RETRIED.keys()
    assert len(REMEDIES) > 20


def test_every_error_has_a_number_of_its_own_and_a_remedy() -> None:
    numbers = [each.number for each in classes()]

    assert len(set(numbers)) == len(numbers)
    assert set(ANSWERS) == set(classes())


RELEASED = {100: "TestwrightError", 110: "InvalidSubmissionError", 120: "TaskNotFoundError", 200: "BusError"}


@pytest.mark.parametrize(("number", "name"), RELEASED.items())
def test_an_error_keeps_its_number(number: int, name: str) -> None:
    assert {each.number: each.__name__ for each in classes()}[number] == name


def test_every_error_says_when_it_is_raised() -> None:
    assert [each.__name__ for each in classes() if not (each.__doc__ or "").startswith("Raised ")] == []


PAGES_WITH_LINKS = sorted({*WRITTEN, *GENERATED, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"})


def anchors(page: Path) -> set[str]:
    """Return what may stand behind ``#`` in a link to a page, as GitHub and the site make it from headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = [re.sub(r"[`*]|\[|\]\([^)]*\)", "", head).lower() for head in re.findall(r"^#+ (.*)", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", head).strip().replace(" ", "-") for head in heads}


def broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere in this repository."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match("[a-z]+:", link):
            continue
        target = page if not path else (page.parent / path).resolve()
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES_WITH_LINKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A *head*, or `two`\n[ok](#a-head-or-two) [no](#other) [gone](gone.md) [far](https://x.org/y)\n")

    assert list(broken(page)) == ["#other", "gone.md"]


MADE = (
    "deploy/secrets",
    "deploy/credentials",
    "tests/generated",
    "benchmarks/results",
    "tests/test_",
    "tests/conftest",
)
"""What commands in the pages make, and files of readers' own projects."""


@pytest.mark.parametrize("page", PAGES_WITH_LINKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)", "", page.read_text(encoding="utf-8"))

    named = re.findall(r"(?<![\w./-])(?:deploy|examples|benchmarks|services|schemas|tests)/[\w./-]*\w", text)

    assert [name for name in named if not any(made in name for made in MADE) and not (ROOT / name).exists()] == []


def test_every_recipe_that_a_page_names_exists() -> None:
    recipes = set(re.findall(r"^([a-z][a-z-]*)(?: [^:]*)?:(?!=)", (ROOT / "justfile").read_text(), re.MULTILINE))
    texts = [page.read_text(encoding="utf-8") for page in PAGES_WITH_LINKS]

    named = {
        name for text in texts for name in re.findall(r"(?:`|^\$? ?|uv run )just ([a-z][a-z-]*)", text, re.MULTILINE)
    }

    assert named - recipes == set()
    assert len(named) > 8


NOT_OURS = {"TESTWRIGHT_PASSWORD", "TESTWRIGHT_SECRETS", "TESTWRIGHT_GENERATORS", "TESTWRIGHT_ENGINE_IMAGE"} | {
    f"TESTWRIGHT_{name}" for name in ("IMAGE", "WORKER_IMAGE", "WORKER_CPUS", "WORKER_MEMORY")
}
"""Variables of the stack and of configurations of servers, which no process of ours reads."""


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_that_a_page_names_is_read(page: Path) -> None:
    named = set(re.findall(r"\bTESTWRIGHT_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    streams = {subjects.COMMANDS, subjects.WORK, subjects.EVENTS, subjects.TIMERS, subjects.NOTES}

    unread = {
        name for name in named if name.removesuffix("_FILE") not in variables.named() and name not in variables.named()
    }

    assert unread - streams - NOT_OURS == set()


BLOCK = re.compile(r"^```(python|toml|yaml|json|bash|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_code_can_be_read_by_what_it_is_for(page: Path) -> None:
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        match language:
            case "python":
                compile(text, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
            case "toml":
                tomllib.loads(text)
            case "yaml":
                list(yaml.safe_load_all(text))
            case "json":
                [json.loads(line) for line in text.splitlines()] if "\n{" in text else json.loads(text)
            case _:
                read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
                assert read.returncode == 0, read.stderr


def test_the_site_builds_without_a_warning_and_asks_nobody_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]

    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:<link[^>]+href|<(?:script|img)[^>]+src)="(?:https?:)?//[^"]*"', page) == []
    assert json.loads((tmp_path / "search" / "search_index.json").read_bytes())["docs"]
