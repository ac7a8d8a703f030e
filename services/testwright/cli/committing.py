"""Puts the suites of a job that has ended on a branch, for the verbs that take ``--branch``."""

from pathlib import Path

from testwright.branch import Commit
from testwright.cli.report import Report
from testwright.collecting import Collected, commit
from testwright.delivery import deliver, targets
from testwright.errors import BranchError


def committed(branch: str, folder: Path, output: Path, told: Report) -> Commit | None:
    """Commit the suites in a report, in the order of its results; ``None`` where there is no suite.

    Args:
        branch: its name.
        folder: in the repository.
        output: where the suites would go in the working tree.
        told: the report.

    Raises:
        BranchError: it cannot be done. What has cost hours is not lost: it is in ``output`` then.
    """
    tasks = [Collected(end, targets(told.suites.get(task_id, {}), output)) for task_id, end in told.results.items()]
    try:
        return commit(folder, branch, tasks, {})
    except BranchError as error:
        for suite in told.suites.values():
            deliver(suite, output)
        raise BranchError(branch, f"{error.reason}; the suites are in {output} instead") from error
