"""testwright: verified tests for Python modules, written in the background.

What is listed here is public; each name is loaded when it is first asked for, so that the package itself stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testwright.client import Client as Client
    from testwright.compat import OpenHandsTestGenerator as OpenHandsTestGenerator
    from testwright.errors import TestGenerationError as TestGenerationError
    from testwright.errors import TestwrightError as TestwrightError
    from testwright.openhands_stage import OpenHandsStage as OpenHandsStage
    from testwright.openhands_stage import OpenHandsStageResult as OpenHandsStageResult
    from testwright.spec_to_production import SpecToProduction as SpecToProduction
    from testwright.workflows import run_workflow as run_workflow
    from testwright_schemas import Policy as Policy

__version__ = "0.1.0"

_PLACES = {
    "Client": "testwright.client",
    "OpenHandsStage": "testwright.openhands_stage",
    "OpenHandsStageResult": "testwright.openhands_stage",
    "OpenHandsTestGenerator": "testwright.compat",
    "Policy": "testwright_schemas",
    "SpecToProduction": "testwright.spec_to_production",
    "TestGenerationError": "testwright.errors",
    "TestwrightError": "testwright.errors",
    "run_workflow": "testwright.workflows",
}


def __getattr__(name: str) -> Any:
    """Load a public name."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *_PLACES))
