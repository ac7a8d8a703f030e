"""What ``--branch`` leaves: a commit, a line and a document about it, and never a lost suite."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.repository import configure, git, make
from testwright.cli import report
from testwright.cli.committing import committed
from testwright.errors import BranchError
from testwright_schemas import TaskFinished

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SUITE = b"def test_one():\n    assert 1 + 1 == 2\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configure(monkeypatch, tmp_path / "gitconfig")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pricing.py").touch()
    make(folder)
    return folder


def told(**suites: dict[str, bytes]) -> report.Report:
    results = {
        module: TaskFinished(
            namespace="default", task_id=module, job_id="job-1", module=module, outcome="completed", threshold_met=True,
            created_at=NOW, completed_at=NOW,
        )
        for module in suites
    }  # fmt: skip
    return report.Report(modules={name: name for name in suites}, results=results, suites={**suites})


def test_the_suites_of_a_job_are_one_commit_and_the_report_says_where_they_are(repository: Path) -> None:
    made = told(empty={}, pricing={"test_pricing.py": SUITE})

    made.commit = committed("generated", repository, repository / "tests", made)

    assert made.commit is not None
    assert [str(place) for place in made.places("pricing")] == ["tests/test_pricing.py"]
    assert made.places("empty") == []
    assert report.document(made)["commit"] == {
        "branch": "generated",
        "id": git(repository, "rev-parse", "generated"),
        "changed": True,
        "files": ["tests/test_pricing.py"],
    }
    assert report.on_branch("generated", made.commit) == f"1 file committed on generated, at {made.commit.id[:12]}"
    again = committed("generated", repository, repository / "tests", made)
    assert report.on_branch("generated", again) == f"generated has all of this already, at {made.commit.id[:12]}"


def test_without_a_suite_nothing_is_committed(repository: Path) -> None:
    made = told(pricing={})

    made.commit = committed("generated", repository, repository / "tests", made)

    assert report.document(made)["commit"] is None
    assert "there is no suite" in report.on_branch("generated", made.commit)
    assert git(repository, "branch", "--list", "generated") == ""


def test_suites_are_not_lost_where_the_branch_has_gone_out_of_reach_meanwhile(repository: Path) -> None:
    made = told(pricing={"test_pricing.py": SUITE})
    git(repository, "switch", "--quiet", "-c", "generated")

    with pytest.raises(BranchError, match=r"the suites are in .*tests instead"):
        committed("generated", repository, repository / "tests", made)

    assert (repository / "tests" / "test_pricing.py").read_bytes().startswith(SUITE)
