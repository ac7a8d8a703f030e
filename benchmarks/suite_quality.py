"""What testwright makes of Pynguin, against Pynguin as it comes, in the same time on the clock.

For each module testwright runs first, as a user would run it, verification included. Pynguin then gets as much time as
that took: half to search, half to filter its assertions; otherwise with its defaults, except that an exception is
asserted (``--no-xfail``), because a test that is expected to fail notices no mutant, and that its seed is the one that
testwright's first search has. Both suites are then measured in the same way: ten runs in fresh processes that differ in
hash seed, order, folder, time zone and locale, coverage by the tests that pass in all of them, and the share of mutants
that those notice: of all, or of the same sample of 300.

A module that cannot be compared costs the others nothing: its row has the reason. After ``--minutes`` none is begun.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec
from anyio.to_thread import run_sync

from benchmarks._scorer import Figures, Scorer
from benchmarks._subjects import SUBJECTS, Subject, project
from benchmarks.table import RESULTS
from testwright import settings
from testwright.engines._target import last_part, pinned
from testwright.engines.pynguin import PYTHONS
from testwright.environments.uv import UvEnvironments
from testwright.errors import TestwrightError
from testwright.sandbox import Command, Limits
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Policy, Target

BUDGET_S = 20.0
MINUTES = 60.0
"""No module is begun later."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One module: what each made of it; ``load`` is of how many processes wanted a core meanwhile."""

    module: str
    requirement: str
    load: float
    raw: Figures
    ours: Figures


async def compare(subject: Subject, budget_s: float, folder: Path, cache: Path) -> Comparison:
    """Return what each makes of one module, in an empty folder."""
    root = await run_sync(project, subject, folder, cache)
    path = subject.path(root)
    environments, sandbox = UvEnvironments(settings.load().cache), LocalSandbox()
    target = Target(module=subject.module, path=path, import_root="src")
    environment = await environments.for_project(root, target, None)
    tool = await environments.for_tool("pynguin", pinned("pynguin"), PYTHONS, environment)
    scorer = Scorer(root, target, environment, sandbox, environments)

    started = anyio.current_time()
    files, reason = await run_sync(_ours, root, path, budget_s, folder / "ours")
    seconds = anyio.current_time() - started
    ours = await _scored(scorer, files, reason, seconds, folder / "score-ours")

    scratch = folder / "raw"
    scratch.mkdir()
    readable = [root, *tool.prefixes, *environment.prefixes]
    done = await sandbox.run(_raw(tool.python, root / "src", subject.module, scratch, seconds, readable=readable))
    written = scratch / "out" / f"test_{last_part(subject.module)}.py"
    files = {written.name: written.read_bytes()} if written.is_file() else {}
    tail = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-1:]
    reason = "" if files else f"exit code {done.returncode}, {'timed out' if done.timed_out else ''.join(tail)}"
    raw = await _scored(scorer, files, reason, done.wall_s, folder / "score-raw")
    load = round(os.getloadavg()[1], 1)
    return Comparison(module=subject.module, requirement=subject.requirement, load=load, raw=raw, ours=ours)


def _raw(
    python: Path, source: Path, module: str, scratch: Path, seconds: float, *, readable: Sequence[Path]
) -> Command:
    """Return the command that gives Pynguin as it comes so many seconds."""
    half = str(max(round(seconds / 2), 1))
    arguments = {
        "--project-path": source,
        "--module-name": module,
        "--output-path": scratch / "out",
        "--report-dir": scratch / "report",
        "--maximum-search-time": half,
        "--maximum-mutation-time": half,
        "--no-xfail": "true",
        "--seed": Policy().seed,
    }
    return Command(
        argv=[str(python), "-m", "pynguin", *(str(each) for pair in arguments.items() for each in pair)],
        cwd=scratch,
        env={"PYNGUIN_DANGER_AWARE": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        readable=readable,
        writable=[scratch],
        # What it does before, between and after is not in its limits.
        limits=Limits(wall_s=3 * seconds + 60, memory_mb=8192),
    )


def _ours(root: Path, path: str, budget_s: float, out: Path) -> tuple[dict[str, bytes], str]:
    """Run the command; return what it delivers, or why it delivers nothing."""
    command = [sys.executable, "-m", "testwright", "generate", path, "--engine", "pynguin", "--json"]
    command += ["--budget", f"{budget_s:g}s", "--output", str(out)]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=2 * budget_s + 300)
    except subprocess.TimeoutExpired as error:
        return {}, f"not done after {error.timeout:.0f} s"
    files = {each.name: each.read_bytes() for each in sorted(out.rglob("test_*.py"))}
    return files, "" if files else (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]


async def _scored(scorer: Scorer, files: dict[str, bytes], reason: str, seconds: float, folder: Path) -> Figures:
    if not files:
        return Figures(seconds=seconds, reason=reason or "no file")
    try:
        found = await scorer.score(files, (), folder)
    except TestwrightError as error:
        return Figures(seconds=seconds, reason=f"cannot be scored: {error}")
    return msgspec.structs.replace(found, seconds=seconds)


async def attempt(subject: Subject, budget_s: float, keep: Path | None) -> Comparison:
    """Compare in a temporary folder, or say in both rows why that was not possible."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return await compare(subject, budget_s, Path(folder), settings.load().cache / "suite-quality")
        except (TestwrightError, OSError, subprocess.SubprocessError) as error:
            return without(subject, f"cannot be compared: {error}")
        finally:
            if keep:
                await run_sync(_keep, Path(folder), keep / subject.module)


def without(subject: Subject, reason: str) -> Comparison:
    """Return the row of a module of which there are no figures."""
    none = Figures(seconds=0.0, reason=reason)
    return Comparison(module=subject.module, requirement=subject.requirement, load=0.0, raw=none, ours=none)


HEAD = ("module", "by", "s", "line", "branch", "mutants", "tests", "failing", "flaky", "length")


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons for people: two rows a module."""
    rows: list[tuple[str, ...]] = [HEAD]
    for one in comparisons:
        rows.append((one.module, "Pynguin", *_cells(one.raw)))
        rows.append(("", "testwright", *_cells(one.ours)))
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(HEAD))]
    left = 2
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=False))
        )
        for row in rows
    )


def _cells(found: Figures) -> tuple[str, ...]:
    seconds = f"{found.seconds:.0f}"
    if found.reason:
        return (seconds, *["-"] * 7)
    branch = "-" if found.branch is None else f"{found.branch:.1f}"
    counts = map(str, (found.tests, found.failing, found.flaky, found.lines))
    return (seconds, f"{found.line:.1f}", branch, f"{found.mutation:.1f}", *counts)


def _keep(folder: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    for part in ("ours", "raw/out"):
        if (folder / part).is_dir():
            shutil.copytree(folder / part, kept / part)


def write(comparisons: Sequence[Comparison], budget_s: float) -> None:
    """Write what was found so far below ``benchmarks/results``."""
    RESULTS.mkdir(exist_ok=True)
    body = {
        "title": f"suite_quality: Pynguin and testwright in the same time, search of {budget_s:g} s",
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "cores": os.cpu_count(),
        },
        "rows": msgspec.to_builtins(list(comparisons)),
    }
    (RESULTS / "suite_quality.json").write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")


async def main(arguments: Sequence[str] = ()) -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="suite_quality", description=__doc__)
    parser.add_argument("modules", nargs="*", help="dotted names; all by default")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds that testwright's engine may search")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after these no module is begun")
    parser.add_argument("--keep", type=Path, help="folder for the suites")
    options = parser.parse_args(arguments)
    names = options.modules or [each.module for each in SUBJECTS]
    chosen = [each for name in names for each in SUBJECTS if each.module == name]
    until = anyio.current_time() + 60 * options.minutes
    found: list[Comparison] = []
    for subject in chosen:
        if anyio.current_time() < until:
            one = await attempt(subject, options.budget, options.keep)
        else:
            one = without(subject, f"not begun within {options.minutes:g} minutes")
        found.append(one)
        write(found, options.budget)
        print(table(found[-1:]), *reasons(one), sep="\n", flush=True)
    print(f"\n{table(found)}", *(line for one in found for line in reasons(one)), sep="\n")


def reasons(one: Comparison) -> list[str]:
    """Return in words why there are no figures, where there are none."""
    by = {"Pynguin": one.raw, "testwright": one.ours}
    return [f"  {one.module} by {name}: {figures.reason}" for name, figures in by.items() if figures.reason]


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
