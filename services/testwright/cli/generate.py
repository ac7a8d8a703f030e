"""The verb generate: verified tests for modules, from submission to files, in one call."""

import os
from pathlib import Path
from typing import Annotated

import typer

from testwright import clock, loop
from testwright.branch import check_branch
from testwright.cli import output, policy, report, terms
from testwright.cli.committing import committed
from testwright.cli.job import Desk, Order, carry_out
from testwright.cli.options import Branch, Json, Namespace, Output, Paths, Sandbox, Server, Verbose
from testwright.cli.progress import Row
from testwright.cli.screen import following
from testwright.cli.submit import nothing_changed
from testwright.delivery import check, default_output
from testwright.submission import Terms

MAX_CONCURRENCY = 4
"""Attempts at a time unless more are asked for: each may take a core and a few hundred MB."""


def generate(
    paths: Paths,
    *,
    engine: policy.Engines = None,
    coverage: policy.Coverage = None,
    budget: policy.Budget = None,
    output_dir: Output = None,
    branch: Branch = None,
    python: policy.Python = None,
    no_mutants: policy.NoMutants = False,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", min=1, max=256, help="Attempts at a time, on an own server. [cores, max 4]"),
    ] = None,
    priority: policy.Urgency = None,
    seed: policy.Seed = None,
    repeats: policy.Repeats = None,
    rounds: policy.Rounds = None,
    max_cost: policy.MaxCost = None,
    max_tokens: policy.MaxTokens = None,
    max_job_cost: terms.MaxJobCost = None,
    timeout: policy.Limit = None,
    changed_since: terms.ChangedSince = None,
    fresh: terms.Fresh = False,
    supersede: terms.Supersede = False,
    sandbox: Sandbox = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write verified tests for modules, and wait for them.

    Where no server runs, one is started for the time being, with everything on it.

    Exit code 0: every task completed and reached its coverage; 1: some did not; 2: wrong usage; 3: no engine or
    environment can be used; 130: interrupted.
    """
    wanted = policy.policy(
        engines=engine,
        python=python,
        no_mutants=no_mutants,
        coverage=coverage,
        budget_s=budget,
        timeout_s=timeout,
        priority=priority,
        seed=seed,
        repeats=repeats,
        rounds=rounds,
        max_cost_usd=max_cost,
        max_tokens=max_tokens,
        sandbox=policy.demanded(sandbox),
    )
    bundled = terms.gathered(paths, changed_since)
    if not bundled.targets:
        _tell_nothing(changed_since or "", as_json=as_json)
        return
    suites = (output_dir or default_output(bundled.root)).absolute()
    if branch is None:
        check(suites)
    else:
        check_branch(bundled.root, branch)
    order = Order(
        bundled=bundled,
        policy=policy.for_modules(wanted, len(bundled.targets)),
        output=suites,
        server=server,
        namespace=namespace,
        concurrency=concurrency or min(os.cpu_count() or 1, MAX_CONCURRENCY),
        branch=branch,
        sandbox=sandbox,
        terms=Terms(join=not fresh, supersede=supersede, max_cost_usd=max_job_cost),
    )
    raise typer.Exit(report.exit_code(_carried_out(order, as_json=as_json, plain=verbose)))


def _tell_nothing(revision: str, *, as_json: bool) -> None:
    if as_json:
        output.document(report.document(report.Report()))
        return
    output.say(nothing_changed(revision))


def _carried_out(order: Order, *, as_json: bool, plain: bool) -> report.Report:
    made = report.Report()
    rows: dict[str, Row] = {}
    with following(output.console(stderr=as_json), rows, clock.now, in_place=not plain) as changed:
        loop.run(carry_out, order, Desk(made, rows, changed, output.tell))
    if order.branch:
        made.commit = committed(order.branch, order.bundled.root, order.output, made)
    if as_json:
        output.document(report.document(made))
    else:
        _show(made, Path.cwd())
        if order.branch:
            output.say(report.on_branch(order.branch, made.commit))
    return made


def _show(made: report.Report, here: Path) -> None:
    if made.results:
        rows = [report.cells(result, made.places(id_), here) for id_, result in made.results.items()]
        output.show(output.table(report.COLUMNS, rows, report.RIGHT))
    for remark in report.remarks(made.results):
        output.say(remark)
    if made.interrupted:
        written = sum(len(paths) for paths in made.written.values())
        output.tell(f"interrupted: {len(made.results)} of {len(made.modules)} tasks ended, {written} files written")
