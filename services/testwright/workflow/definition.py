"""The only place that reads and checks definitions of workflows; pure.

In TOML a stage is a table below ``stages``, with exactly one of these keys beside the common ``needs`` and
``optional``:

- ``command = ["program", "argument"]`` with ``timeout``, ``retries``, ``skip_codes``, ``repeatable``, ``sandbox``,
  ``suites_of``
- ``call = "package.module:function"`` with the same: the project's ``python`` calls it, in a process of its own
- ``generate = ["src"]`` with a table ``policy``
- ``collect = "name of a generating stage"`` with ``timeout``, ``cancel_pending``, ``branch``
- ``skip = "reason"``
"""

import graphlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from testwright import toml
from testwright.errors import WorkflowDefinitionError
from testwright.misfit import misfit
from testwright.workflow.core import leans_on
from testwright_schemas import (
    CollectSuites,
    NoWork,
    Plan,
    Policy,
    RetryPolicy,
    RunCommand,
    StageSpec,
    SubmitModules,
)

_PLAN_KEYS = {"name", "on_failure", "stages"}
_COMMON_KEYS = {"needs", "optional"}
_PROCESS = {
    "timeout": "timeout_s",
    "retries": "retries",
    "skip_codes": "skip_codes",
    "repeatable": "repeatable",
    "sandbox": "sandboxed",
    "suites_of": "suites_of",
}
# Of each kind: what its own keys are called in a definition, and in the struct.
_KINDS: dict[str, tuple[type[RunCommand | SubmitModules | CollectSuites | NoWork], dict[str, str]]] = {
    "command": (
        RunCommand,
        {
            "command": "argv",
            **_PROCESS,
        },
    ),
    "call": (RunCommand, {"call": "argv", **_PROCESS}),
    "generate": (SubmitModules, {"generate": "paths", "policy": "policy"}),
    "collect": (
        CollectSuites,
        {"collect": "stage", "timeout": "timeout_s", "cancel_pending": "cancel_pending", "branch": "branch"},
    ),
    "skip": (NoWork, {"skip": "reason"}),
}


_CALL = """\
import asyncio, functools, importlib, inspect, sys

module, _, name = sys.argv[1].partition(":")
result = functools.reduce(getattr, name.split("."), importlib.import_module(module))()
result = asyncio.run(result) if inspect.iscoroutine(result) else result
print("" if result is None else result)
"""


def parse(text: str) -> Plan:
    """Return the plan in a TOML document.

    Raises:
        WorkflowDefinitionError: it is no TOML, or defines no plan; says where and why.
    """
    try:
        document = toml.parse(text)
    except ValueError as error:
        raise WorkflowDefinitionError("workflow", f"this is no TOML: {error}") from error
    return read(document)


def read(document: Mapping[str, Any]) -> Plan:
    """Return the plan in a definition as TOML has it.

    Raises:
        WorkflowDefinitionError: it defines no plan; says where and why.
    """
    _check_keys("workflow", document, _PLAN_KEYS)
    stages = document.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise WorkflowDefinitionError("stages", "there are none: write one table for each, e.g. [stages.check]")
    specs = tuple(_stage(name, table) for name, table in cast("dict[str, Any]", stages).items())
    given = {key: document[key] for key in ("name", "on_failure") if key in document}
    return check(_converted("workflow", {**given, "stages": [msgspec.to_builtins(spec) for spec in specs]}, Plan))


def check(plan: Plan) -> Plan:
    """Return a plan in an order in which every stage comes behind those it needs.

    Whoever collects from a stage, or leans on what it has collected, needs it.

    Raises:
        WorkflowDefinitionError: a name is taken twice or unknown, stages need each other in a circle, or something
            else than a generating stage, or the same one twice, is to be collected, or to be leaned on.
    """
    _converted("workflow", msgspec.to_builtins(plan), Plan)
    stages: dict[str, StageSpec] = {}
    for spec in plan.stages:
        if spec.name in stages:
            raise WorkflowDefinitionError(f"stages.{spec.name}", "there are two of that name")
        stages[spec.name] = _with_implied_need(spec)
    for spec in stages.values():
        for need in spec.needs:
            if need not in stages:
                raise WorkflowDefinitionError(f"stages.{spec.name}.needs", f"there is no stage {need!r}")
    _check_collected(stages)
    return replace(plan, stages=_ordered(stages))


def serialised(plan: Plan) -> Plan:
    """Return a checked plan in which stages run one after the other, and each job is collected before anything else.

    It does what a blocking call would: for comparison.
    """
    collectors = {spec.work.stage: spec for spec in plan.stages if isinstance(spec.work, CollectSuites)}
    order: list[StageSpec] = []
    for spec in plan.stages:
        if isinstance(spec.work, CollectSuites):
            continue
        order.append(spec)
        if spec.name in collectors:
            order.append(collectors[spec.name])
    chained: list[StageSpec] = []
    for spec in order:
        own = set(spec.needs) & {one.name for one in chained}
        before = {chained[-1].name} if chained else set[str]()
        chained.append(replace(spec, needs=tuple(sorted(own | before))))
    return replace(plan, stages=tuple(chained))


def branches(plan: Plan) -> tuple[str, ...]:
    """Return the branches that suites are to be committed on, each once."""
    named = (spec.work.branch for spec in plan.stages if isinstance(spec.work, CollectSuites))
    return tuple(dict.fromkeys(branch for branch in named if branch))


def on_branch(plan: Plan, branch: str) -> Plan:
    """Return a plan in which all suites are committed on a branch."""
    stages = (
        replace(spec, work=replace(spec.work, branch=branch)) if isinstance(spec.work, CollectSuites) else spec
        for spec in plan.stages
    )
    return replace(plan, stages=tuple(stages))


def policy(place: str, given: Mapping[str, Any]) -> Policy:
    """Return a policy from its fields.

    Raises:
        WorkflowDefinitionError: a field is unknown or out of range.
    """
    _check_keys(place, given, set(Policy.__struct_fields__))
    if isinstance(given.get("retry"), dict):
        _check_keys(f"{place}.retry", given["retry"], set(RetryPolicy.__struct_fields__))
    found: Policy = _converted(place, dict(given), Policy)
    return found


def _stage(name: str, table: Any) -> StageSpec:
    place = f"stages.{name}"
    if not isinstance(table, dict):
        raise WorkflowDefinitionError(place, f"a stage is a table: [{place}]")
    given = cast("dict[str, Any]", table)
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise WorkflowDefinitionError(place, f"a stage has one of {', '.join(_KINDS)}; this one has {found}")
    type_, names = _KINDS[kinds[0]]
    _check_keys(place, given, _COMMON_KEYS | names.keys())
    fields = {field: given[key] for key, field in names.items() if key in given}
    keys = {field: key for key, field in names.items()}
    if kinds == ["call"]:
        fields["argv"] = _calling(place, fields["argv"])
    if "policy" in fields:
        fields["policy"] = policy(f"{place}.policy", fields["policy"])
    work = _converted(place, {"kind": type_.__struct_config__.tag, **msgspec.to_builtins(fields)}, type_, keys)
    common = {key: given[key] for key in _COMMON_KEYS if key in given}
    spec: StageSpec = _converted(place, {"name": name, "work": msgspec.to_builtins(work), **common}, StageSpec)
    return spec


def _converted(place: str, given: Any, type_: Any, keys: Mapping[str, str] = MappingProxyType({})) -> Any:
    try:
        return msgspec.convert(given, type_)
    except msgspec.ValidationError as error:
        field, reason = misfit(error)
        written = re.sub(r"^\w+", lambda name: keys.get(name[0], name[0]), field)
        raise WorkflowDefinitionError(f"{place}.{written}".rstrip("."), reason) from error


def _check_keys(place: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise WorkflowDefinitionError(place, f"unknown key {key!r}: there are {', '.join(sorted(known))}")


def _with_implied_need(spec: StageSpec) -> StageSpec:
    implied = leans_on(spec)
    return replace(spec, needs=(*spec.needs, implied)) if implied and implied not in spec.needs else spec


def _check_collected(stages: Mapping[str, StageSpec]) -> None:
    collected: dict[str, str] = {}
    for spec in stages.values():
        if isinstance(spec.work, RunCommand) and spec.work.suites_of:
            _check_leaned_on(spec.name, stages[spec.work.suites_of])
        if not isinstance(spec.work, CollectSuites):
            continue
        other = spec.work.stage
        if not isinstance(stages[other].work, SubmitModules):
            raise WorkflowDefinitionError(f"stages.{spec.name}.collect", f"stage {other!r} submits nothing")
        if other in collected:
            reason = f"stage {collected[other]!r} collects {other!r} already"
            raise WorkflowDefinitionError(f"stages.{spec.name}.collect", reason)
        collected[other] = spec.name


def _check_leaned_on(name: str, other: StageSpec) -> None:
    if not isinstance(other.work, CollectSuites) or not other.work.branch:
        reason = f"stage {other.name!r} commits no suites on a branch: what it collects is in the folder already"
        raise WorkflowDefinitionError(f"stages.{name}.suites_of", reason)


def _calling(place: str, name: Any) -> tuple[str, ...]:
    """Return the command that calls a function by its name; what it returns is printed, what it raises fails."""
    if not isinstance(name, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", name):
        raise WorkflowDefinitionError(f"{place}.call", 'name a function as "package.module:function"')
    return ("python", "-c", _CALL, name)


def _ordered(stages: Mapping[str, StageSpec]) -> tuple[StageSpec, ...]:
    sorter = graphlib.TopologicalSorter({name: spec.needs for name, spec in stages.items()})
    try:
        return tuple(stages[name] for name in sorter.static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(cast("list[str]", error.args[1]))
        raise WorkflowDefinitionError("stages", f"these need each other in a circle: {circle}") from error
