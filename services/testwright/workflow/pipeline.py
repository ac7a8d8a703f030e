"""The plan of ``spec-to-production``, and what may be said about it in ``[tool.testwright.workflow]``; pure.

The same keys may stand in ``[tool.testwright]`` itself, as the guide has them.
"""

import shlex
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from testwright import toml
from testwright.errors import WorkflowDefinitionError
from testwright.misfit import misfit
from testwright.workflow import definition
from testwright_schemas import (
    CollectSuites,
    NoWork,
    Plan,
    RunCommand,
    StageSpec,
    SubmitModules,
)

Command = tuple[str, ...]

COLLECTION = "openhands_test_generation"
"""The stage that collects generated tests."""

PYTEST: Command = ("python", "-m", "pytest", "-q")
MEASURED: Command = ("python", "-m", "coverage", "run", "-m", "pytest", "-q")
COVERAGE: Command = ("python", "-m", "coverage", "report")
"""The project's own configuration says what is measured, and how much is enough."""

NO_TESTS = 5
"""Exit code of pytest where there is no test."""

SECRETS: Command = (
    *("ruff", "check", "--isolated", "--no-cache", "--quiet"),
    *("--select", "S105,S106,S107", "--extend-exclude", "tests", "."),
)
"""Looks for passwords in the source."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``spec-to-production`` is to do. An empty command means that there is none: its stage is skipped.

    Attributes:
        enable_openhands_test_generation: whether tests are generated.
        coverage_threshold: line coverage in percent that is asked of them.
        timeout_seconds: for each command, and for the collection.
        modules: files or folders to generate tests for.
        engine: who writes the tests.
        policy: everything else about the generation, as fields of a policy.
        output: folder for the tests; ``tests/generated`` if empty.
        branch: of git, that the tests are committed on; the working tree if empty.
        sandboxed: whether tests run in the sandbox, without network.
        on_failure: what a failed stage means for those beside it: ``finish`` or ``cancel``.
        specification: command that checks the specification.
        testing: command that runs the tests.
        coverage: command that holds the coverage of the last test run against its threshold, as a gate; ``None``:
            coverage.py where the project configures it, which then measures the tests.
        lint: command that mends what a linter finds; ``None``: ruff where the project configures it.
        format: command that formats; ``None``: ruff where the project configures it.
        types: command that checks types; ``None``: mypy or pyright where the project configures it.
        secrets: command that looks for secrets.
        gates: command that the tree must pass after the collection, beside its tests; ``None``: ruff without mending.
        staging: command that deploys to staging.
        production: command that deploys to production.
    """

    enable_openhands_test_generation: bool = False
    coverage_threshold: float = 80
    timeout_seconds: float = 300
    modules: Command = ()
    engine: str = "openhands"
    policy: dict[str, Any] = {}
    output: str = ""
    branch: str = ""
    sandboxed: bool = False
    on_failure: Literal["finish", "cancel"] = "finish"
    specification: Command = ()
    testing: Command = PYTEST
    coverage: Command | None = None
    lint: Command | None = None
    format: Command | None = None
    types: Command | None = None
    secrets: Command = SECRETS
    gates: Command | None = None
    staging: Command = ()
    production: Command = ()


def config(pyproject: Mapping[str, Any], given: Mapping[str, Any]) -> Config:
    """Return the configuration: what is given, else what the project's table says, else what its tools suggest.

    Args:
        pyproject: the project's ``pyproject.toml``, decoded.
        given: fields that take precedence.

    Raises:
        WorkflowDefinitionError: a key is unknown, or a value is of the wrong kind.
    """
    tools, table = toml.table(pyproject, "tool"), toml.table(pyproject, "tool", "testwright")
    guides = {key: table[key] for key in table if key in Config.__struct_fields__ or not isinstance(table[key], dict)}
    wanted = {**guides, **toml.table(table, "workflow"), **given}
    try:
        return msgspec.convert({**_suggested(tools, wanted), **wanted}, Config)
    except msgspec.ValidationError as error:
        key, reason = misfit(error)
        raise WorkflowDefinitionError(f"tool.testwright.workflow.{key}".rstrip("."), reason) from error


def plan(wanted: Config) -> Plan:
    """Return the stages: tests are generated while the code is tested and refactored.

    Raises:
        WorkflowDefinitionError: generation is wanted without modules, or with a policy that cannot be.
    """
    generating = wanted.enable_openhands_test_generation
    refactoring = ("refactoring_format", "refactoring_types", "refactoring_secrets", "testing_coverage")
    before = (COLLECTION,) if generating else refactoring
    stages = [
        _command(wanted, "specification", wanted.specification),
        _tests(wanted, "testing", wanted.testing, "specification"),
        _measured(wanted),
        *(_generation(wanted) if generating else ()),
        _command(wanted, "refactoring_lint", wanted.lint, "testing"),
        _command(wanted, "refactoring_format", wanted.format, "refactoring_lint"),
        _command(wanted, "refactoring_types", wanted.types, "refactoring_format"),
        _command(wanted, "refactoring_secrets", wanted.secrets, "testing"),
        *(_collection(wanted, refactoring) if generating else ()),
        *_gates(wanted, before),
        _command(wanted, "staging", wanted.staging, "gates_tests", "gates_coverage", "gates_lint"),
        _command(wanted, "production", wanted.production, "staging", repeatable=False),
    ]
    return definition.check(Plan(name="spec-to-production", stages=tuple(stages), on_failure=wanted.on_failure))


def _suggested(tools: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Command]:
    found: dict[str, Command] = {}
    if "coverage" in tools and not wanted.keys() & {"testing", "coverage"}:
        found |= {"testing": MEASURED, "coverage": COVERAGE}
    if "ruff" in tools:
        found |= {
            "lint": ("ruff", "check", "--fix", "."),
            "format": ("ruff", "format", "."),
            "gates": ("ruff", "check", "."),
        }
    checkers: dict[str, Command] = {"mypy": ("mypy", "."), "pyright": ("pyright",)}
    checker = next((command for tool, command in checkers.items() if tool in tools), None)
    return {**found, "types": checker} if checker else found


def _command(wanted: Config, name: str, argv: Command | None, *needs: str, **options: Any) -> StageSpec:
    if not argv:
        reason = "no tool for it is configured" if argv is None else "no command is configured"
        return StageSpec(name=name, work=NoWork(reason=reason), needs=needs)
    work = RunCommand(argv=argv, timeout_s=wanted.timeout_seconds, **options)
    return StageSpec(name=name, work=work, needs=needs)


def _tests(wanted: Config, name: str, argv: Command, *needs: str, **options: Any) -> StageSpec:
    return _command(wanted, name, argv, *needs, skip_codes=(NO_TESTS,), sandboxed=wanted.sandboxed, **options)


def _measured(wanted: Config) -> StageSpec:
    """Return the stage that says what the project's own tests cover; what is too little is so after the collection."""
    needs = ("testing",)
    if wanted.coverage == COVERAGE:
        return _command(wanted, "testing_coverage", (*COVERAGE, "--fail-under=0"), *needs)
    work = NoWork(reason="coverage is a gate after the collection" if wanted.coverage else "no coverage is configured")
    return StageSpec(name="testing_coverage", work=work, needs=needs)


def _gates(wanted: Config, needs: tuple[str, ...]) -> tuple[StageSpec, ...]:
    """Return what the tree must pass with the generated tests; on a branch, that is a copy for each stage."""
    on_branch = COLLECTION if wanted.enable_openhands_test_generation and wanted.branch else None
    tests, coverage = wanted.testing, wanted.coverage
    if on_branch and tests and coverage:
        tests = ("sh", "-c", f"{shlex.join(tests)} && {shlex.join(coverage)}")
        work = NoWork(reason="it is a part of gates_tests on a branch")
        measured = StageSpec(name="gates_coverage", work=work, needs=("gates_tests",))
    else:
        measured = _command(wanted, "gates_coverage", coverage, "gates_tests")
    return (
        _tests(wanted, "gates_tests", tests, *needs, suites_of=on_branch),
        measured,
        _command(wanted, "gates_lint", wanted.gates, *needs, suites_of=on_branch),
    )


def _generation(wanted: Config) -> tuple[StageSpec, ...]:
    if not wanted.modules:
        reason = "name the files or folders that tests are to be generated for"
        raise WorkflowDefinitionError("tool.testwright.workflow.modules", reason)
    fields = {
        "engines": [wanted.engine],
        "coverage": wanted.coverage_threshold,
        **({"output": wanted.output} if wanted.output else {}),
        **wanted.policy,
    }
    policy = definition.policy("tool.testwright.workflow.policy", fields)
    work = SubmitModules(paths=wanted.modules, policy=policy)
    return (StageSpec(name="openhands_submission", work=work, needs=("specification",), optional=True),)


def _collection(wanted: Config, needs: tuple[str, ...]) -> tuple[StageSpec, ...]:
    work = CollectSuites(stage="openhands_submission", timeout_s=wanted.timeout_seconds, branch=wanted.branch or None)
    return (StageSpec(name=COLLECTION, work=work, needs=needs, optional=True),)
