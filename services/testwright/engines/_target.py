"""What every engine must know of its target: where it lies, what it defines, and whether it can be imported at all."""

import ast
import io
import re
import sys
import tokenize
from importlib import resources
from pathlib import Path

import anyio

from testwright.engines import Assignment
from testwright.environments import Environment
from testwright.errors import EngineError
from testwright.sandbox import Command, Completed, Limits

IMPORT_WALL_S = 30.0
"""Seconds that importing the target may take at most; short budgets shorten it."""

_PROBE = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except MemoryError:
    sys.exit(41)
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(42)
print("\\nimported", flush=True)
"""
_DECLARATION = re.compile(r"\A(?P<before>(?:[^\n]*\n)?[ \t\f]*#[^\n]*?)coding[:=][ \t]*[-\w.]+")
_OUT_OF_MEMORY, _RAISED = 41, 42

_PLAINLY = Path(__file__).with_name("_plainly.py")


def last_part(module: str) -> str:
    """Return the last part of a dotted name."""
    return module.rpartition(".")[2]


def import_root(assignment: Assignment) -> Path:
    """Return the folder that the target is imported from."""
    return (assignment.root / assignment.target.import_root).resolve()


def readable(assignment: Assignment, *environments: Environment) -> list[Path]:
    """Return what a run needs to read: the snapshot, and all of these environments with the project's own."""
    prefixes = [prefix for each in (assignment.environment, *environments) for prefix in each.prefixes]
    return [assignment.root.resolve(), *dict.fromkeys(prefixes)]


def pinned(tool: str) -> tuple[str, ...]:
    """Return the requirement lines that this package pins for a tool."""
    text = resources.files("testwright.engines").joinpath(f"{tool}-requirements.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


async def read_target(assignment: Assignment) -> ast.Module:
    """Return the target's source, parsed: by the project's interpreter where its syntax is newer than ours.

    Raises:
        EngineError: there is no such file, or it is not Python (``import-failed``).
    """
    path = assignment.target.path
    try:
        source = await anyio.Path(assignment.root, path).read_bytes()
    except FileNotFoundError:
        raise EngineError("import-failed", f"{path} is not in the snapshot") from None
    try:
        return ast.parse(source, filename=path)
    except (SyntaxError, ValueError) as error:
        tree = await _newer(assignment, source) if assignment.environment.version > sys.version_info[:2] else None
        if tree is None:
            raise EngineError("import-failed", f"not valid Python: {error}") from None
        return tree


async def _newer(assignment: Assignment, source: bytes) -> ast.Module | None:
    """Return a source, parsed, that the project's interpreter can read and ours cannot; ``None`` if neither can."""
    done = await assignment.sandbox.run(
        Command(
            argv=[str(assignment.environment.python), "-I", "-c", _PLAINLY.read_text("utf-8")],
            cwd=assignment.scratch,
            readable=readable(assignment),
            private=[assignment.scratch],
            stdin=source,
            limits=Limits(wall_s=IMPORT_WALL_S, memory_mb=1024, output_bytes=4 * len(source)),
        )
    )
    try:
        return ast.parse(done.stdout) if done.returncode == 0 else None
    except (SyntaxError, ValueError):
        return None


async def make_plain(assignment: Assignment) -> None:
    """Rewrite a target that can be parsed as UTF-8 without mark or declaration, for tools that read nothing else."""
    path = anyio.Path(assignment.root, assignment.target.path)
    source = await path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    if encoding != "utf-8":
        text = _DECLARATION.sub(r"\g<before>", source.decode(encoding), count=1)
        await path.write_bytes(text.encode())


async def is_shadowed(assignment: Assignment) -> bool:
    """Say whether the target's package binds the target's own name to something else, as in ``from .job import job``.

    ``from package import name`` then yields that something instead of the module.
    """
    package = anyio.Path(assignment.root, assignment.target.path).parent / "__init__.py"
    name = last_part(assignment.target.module)
    if name == assignment.target.module or not await package.is_file():
        return False
    try:
        tree = ast.parse(await package.read_bytes())
    except (SyntaxError, ValueError):
        return True
    return any(_shadows(statement, name) for statement in ast.walk(tree))


def _shadows(node: ast.AST, name: str) -> bool:
    match node:
        case ast.ImportFrom(module=origin, names=names):
            bound = {alias.asname or alias.name for alias in names}
            return "*" in bound or (name in bound and origin is not None)
        case ast.stmt():
            return name in bound_names(node)
        case _:
            return False


def public_names(tree: ast.Module) -> list[str]:
    """Return the public names that a module surely defines: bound at its top level, below no condition, and kept."""
    bound = {name for statement in tree.body for name in bound_names(statement)}
    deleted = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)}
    return sorted(name for name in bound - deleted if not name.startswith("_"))


def bound_names(statement: ast.stmt) -> list[str]:
    """Return the names that a definition or an assignment binds; what imports bind is not the module's own."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign(targets=targets):
            nodes = [node for target in targets for node in ast.walk(target)]
            return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case _:
            return []


async def check_import(assignment: Assignment) -> None:
    """Import the target in its own environment, in the sandbox, before an engine is blamed for it.

    Raises:
        EngineError: it cannot be imported (``import-failed``) or needs too much memory (``out-of-memory``); neither is
            retryable.
    """
    target = assignment.target
    done = await assignment.sandbox.run(
        Command(
            argv=[str(assignment.environment.python), "-c", _PROBE, target.module],
            cwd=assignment.scratch,
            env={"PYTHONPATH": str(import_root(assignment)), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"},
            readable=readable(assignment),
            private=[assignment.scratch],
            limits=Limits(wall_s=min(IMPORT_WALL_S, assignment.policy.budget_s + 5.0), memory_mb=2048),
        )
    )
    last = _last_line(done)
    if done.returncode == 0 and last == "imported":
        return
    log = done.stdout + done.stderr
    if done.returncode == _OUT_OF_MEMORY:
        raise EngineError("out-of-memory", f"{target.module} needs too much memory to be imported", log=log)
    raise EngineError("import-failed", f"{target.module} cannot be imported: {_why(done, last)}", log=log)


def _last_line(done: Completed) -> str:
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _why(done: Completed, last: str) -> str:
    if done.timed_out and last == "imported":
        return "it leaves threads behind that keep the interpreter from ending; start them from a function"
    if done.timed_out:
        return f"still busy after {done.wall_s:.0f} s"
    if done.returncode == _RAISED:
        return last
    if done.returncode < 0:
        return f"the interpreter is killed by signal {-done.returncode}"
    return f"it ends the interpreter (exit code {done.returncode})"
