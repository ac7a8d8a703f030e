"""The guide's pipeline, from a specification to production, driven in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from testwright import toml
from testwright.client import Client
from testwright.errors import WorkflowDefinitionError
from testwright.workflow import definition, pipeline
from testwright.workflow.driver import Heard
from testwright.workflow.runs import RunResult
from testwright.workflows import run_workflow
from testwright_schemas import Plan


class SpecToProduction:
    """Runs specification, testing, generation of tests, refactoring, gates, staging and production as a workflow.

    Args:
        config: fields of ``testwright.workflow.pipeline.Config``; they take precedence over
            ``[tool.testwright.workflow]`` and ``[tool.testwright]`` of the project's ``pyproject.toml``.
        root: folder of the project.
        client: a connected client; without one, the server is found as ``Client.connect`` finds it.
    """

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, root: str | Path = ".", client: Client | None = None
    ) -> None:
        self._config = dict(config or {})
        self._root = Path(root).absolute()
        self._client = client

    def plan(self, *, blocking: bool = False) -> Plan:
        """Return the stages; with ``blocking`` one after the other, for comparison.

        Raises:
            WorkflowDefinitionError: the configuration is wrong.
        """
        plan = pipeline.plan(pipeline.config(_pyproject(self._root), self._config))
        return definition.serialised(plan) if blocking else plan

    async def run(self, *, blocking: bool = False, heard: Heard | None = None) -> RunResult:
        """Run it and return what became of each stage.

        Args:
            blocking: whether stages run one after the other.
            heard: told each event of the run as it comes.

        Raises:
            WorkflowDefinitionError: the configuration is wrong.
            BranchError: the tests cannot be committed on its branch.
            ConnectError: there is no server, or it cannot be reached.
        """
        plan = await run_sync(lambda: self.plan(blocking=blocking))
        return await run_workflow(plan, root=self._root, client=self._client, heard=heard)


def _pyproject(root: Path) -> dict[str, Any]:
    try:
        return toml.parse((root / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise WorkflowDefinitionError("pyproject.toml", f"it cannot be read: {error}") from error
