"""All laws together, for whoever holds a run to them that is not one of a test run."""

from collections.abc import Callable

from tests.simulation import test_attempts, test_clients, test_limits, test_system
from tests.support.reports import Report

LAWS: list[Callable[[Report], None]] = [
    law
    for module in (test_system, test_attempts, test_limits, test_clients)
    for name, law in vars(module).items()
    if name.startswith("test_") and law.__code__.co_argcount
]
"""Those that are about one run."""


def hold(report: Report) -> None:
    """Hold a run to every law that is about its kind."""
    for law in LAWS:
        if law.__code__.co_varnames[0] == "report" or report.plan.calm:
            law(report)
