"""The verb engines: which there are, and whether they can run here."""

import msgspec

from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.engines import Engine, EngineStatus, registry


def engines(
    server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """List the engines and whether they can run here."""
    found = [(engine, engine.status()) for engine in map(registry.load, registry.names())]
    if as_json:
        output.document([document(engine, status) for engine, status in found])
        return
    output.show(output.table(("engine", "available", "what", "detail"), [cells(*one) for one in found]))


def document(engine: Engine, status: EngineStatus) -> dict[str, object]:
    """Return an engine for programs."""
    return {"name": engine.name, "summary": engine.summary, **msgspec.to_builtins(status)}


def cells(engine: Engine, status: EngineStatus) -> tuple[str, ...]:
    """Return an engine as the cells of its line."""
    detail = f"{status.detail}; {status.remedy}" if status.remedy else status.detail
    return engine.name, "yes" if status.available else "no", engine.summary, detail
