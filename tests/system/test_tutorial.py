"""The tutorial, done from its first block to its last as the page has it; with an engine that takes no time."""

import os
import re
import shlex
import signal
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.cli import Shell

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE_S = 300.0

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"

ELSEWHERE = ("python3 -m pip install", "uv sync", "testwright doctor", "testwright up")
"""What is here already, or is tried with other commands; the server is up from the beginning, which is quicker."""

SWAPS = (
    (
        r"^(testwright (?:generate|submit) .*)",
        rf"\1 --engine echo --coverage 0 --repeats 1 --no-mutants --python {shlex.quote(sys.executable)}",
    ),
    (
        r"^(testwright workflow run .*)",
        rf"""\1 --set 'policy={{repeats = 1, mutants = false, python = "{sys.executable}"}}'""",
    ),
    (
        r'engine="pynguin"',
        f'engine="echo", policy=Policy(repeats=1, mutants=False, python="{sys.executable}")',
    ),
    (r"import OpenHandsTestGenerator$", "import OpenHandsTestGenerator, Policy"),
    (r"engine=pynguin", "engine=echo"),
)
"""Pynguin searches, and takes its time; what is shown of it is the same with an engine that does not."""

UP = """\
mkfifo "$ASIDE/up"
testwright up >"$ASIDE/up" 2>&1 &
up=$!
trap 'kill -TERM $up; wait' EXIT
exec 3<"$ASIDE/up"
while read -r said <&3; do case "$said" in *"ready: submit with"*) break ;; esac; done
cat <&3 >"$ASIDE/up.log" &
"""
"""Runs a server in the background, and goes on when it says that it is ready."""

SUBMIT = """
{line} | tee "$ASIDE/submitted"
JOB=$(grep -om1 'job-[0-9a-z]*' "$ASIDE/submitted")
TASK=$(grep -om1 'task-[0-9a-z]*' "$ASIDE/submitted")
"""
"""Keeps the ids that the lines behind stand on."""


def swapped(text: str) -> str:
    """Return what is shown with echo in the place of Pynguin."""
    for shown, quick in SWAPS:
        text = re.sub(shown, quick, text, flags=re.MULTILINE)
    return text


def command(line: str) -> str:
    """Return what a line of a console block is in the script."""
    line = line.removeprefix("$ ").removeprefix("uv run ")
    if line.startswith(ELSEWHERE):
        return ""
    line = swapped(line)
    line = re.sub(r"\b(JOB|TASK)\b", r'"$\1"', line)
    return SUBMIT.format(line=line) if line.startswith("testwright submit ") else line


def script(page: str) -> str:
    """Return all blocks of a page, and the commands in its sentences, in their order, as one script."""
    parts = ["set -euo pipefail", UP]
    for language, text, span in re.findall(
        r"^```(\w+)\n(.*?)^```|`(testwright [^`]+)`", page, re.DOTALL | re.MULTILINE
    ):
        named = re.match(r"# (\S+)\n", text)
        if language in {"console", ""}:
            parts += [command(line) for line in (text or span).splitlines()]
        elif named:
            parts.append(f"cat >{named[1]} <<'END'\n{text}END")
        else:
            parts.append(f"python - <<'END'\n{swapped(text)}END")
    return "\n".join(parts)


async def run(words: str, folder: Path, environment: dict[str, str], said: Path) -> int:
    """Run a script, with its output in a file; whatever it has started ends with it."""
    with said.open("wb") as out:
        async with await anyio.open_process(
            ["bash", "-xc", words], cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        ) as process:
            try:
                with anyio.fail_after(PATIENCE_S):
                    return await process.wait()
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGTERM)


async def test_the_tutorial_leads_from_nothing_to_delivered_suites(tmp_path: Path) -> None:
    page = TUTORIAL.read_text(encoding="utf-8")
    shell = Shell(tmp_path)
    aside = tmp_path / "aside"
    aside.mkdir()
    inherited = {name: value for name, value in os.environ.items() if name != "NATS_URL"}
    environment = inherited | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TESTWRIGHT_DATA": str(tmp_path / "data"),
        "ASIDE": str(aside),
        **{f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    code = await run(script(page), shell.project, environment, aside / "said")

    told = (aside / "said").read_text()
    assert code == 0, told
    [suite] = set(re.findall(r"`(tests/generated/\S+\.py)`", page))
    assert "def test_" in (shell.project / "shop" / suite).read_text(encoding="utf-8")
    assert "submitted task-" in told
    assert shell.left() == []
