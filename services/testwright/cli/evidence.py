"""Where ``result`` puts the evidence: a report in a form of choice, and a bundle."""

from collections.abc import Callable
from pathlib import Path

import typer

from testwright.client import Client
from testwright.evidence import gather
from testwright.verification import pages
from testwright.verification.report import decode
from testwright_schemas import TaskFinished, subjects

_FORMS: dict[str, Callable[[bytes], bytes]] = {
    ".json": lambda data: data,
    ".md": lambda data: pages.markdown(decode(data)).encode(),
    ".html": lambda data: pages.html(decode(data)).encode(),
}


def check(report: Path | None) -> None:
    """Refuse a report file whose name does not say which form is wanted, as the command line does."""
    if report is not None and report.suffix not in _FORMS:
        raise typer.BadParameter(f"{report} must end in {', '.join(_FORMS)}", param_hint="--report")


async def write(client: Client, result: TaskFinished, report: Path | None, bundle: Path | None) -> list[str]:
    """Write what was asked for; return a line for people on each.

    Raises:
        BlobNotFoundError: the report has expired.
    """
    said: list[str] = []
    if report is not None and result.report is None:
        said.append("nothing was verified: there is no report")
    elif report is not None and result.report is not None:
        data = await client.bus.fetch(subjects.ARTIFACTS, result.namespace, result.report.digest)
        _put(report, _FORMS[report.suffix](data))
        said.append(f"report written to {report}")
    if bundle is not None:
        _put(bundle, (await gather(client, result.task_id)).pack())
        said.append(f"evidence written to {bundle}")
    return said


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
