"""What a commit of generated tests says of itself."""

from datetime import UTC, datetime

from testwright.change import Entry, message
from testwright_schemas import CaseVerdict, Coverage, Mutation, TaskError, TaskFinished

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def ended(module: str, **given: object) -> TaskFinished:
    fields = {"outcome": "completed", "threshold_met": True, **given}
    return TaskFinished(
        namespace="default", task_id=f"task-{module}", job_id="job-1", module=module, created_at=NOW, completed_at=NOW,
        **fields,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  fields of the struct
    )  # fmt: skip


PRICING = ended(
    "shop.pricing",
    tests=(CaseVerdict(id="test_a", verdict="kept"), CaseVerdict(id="test_b", verdict="flaky")),
    omitted=1,
    coverage=Coverage(line=97.6, branch=90.0),
    mutation=Mutation(killed=11, total=12),
)
RATES = ended("shop.rates", outcome="failed", error=TaskError(cause="import-failed", message="no\nsuch module"))


def test_a_commit_holds_the_figures_files_and_tasks_of_a_delivery() -> None:
    said = message(
        [Entry(PRICING, ["tests/generated/test_shop_pricing.py"]), Entry(RATES)],
        {"Generated-by": "testwright 1.0", "Workflow": ""},
    )

    assert said == (
        "Add generated tests for shop.pricing\n"
        "\n"
        "module        outcome    kept  dropped  line  branch  mutants\n"
        "shop.pricing  completed     1        2  98 %    90 %    11/12\n"
        "shop.rates    failed        0        0     -       -        -\n"
        "\n"
        "tests/generated/test_shop_pricing.py\n"
        "\n"
        "shop.rates: import-failed: no such module\n"
        "\n"
        "Generated-by: testwright 1.0\n"
        "Testwright-Job: job-1\n"
        "Testwright-Task: task-shop.pricing\n"
        "Testwright-Task: task-shop.rates\n"
    )


def test_the_subject_counts_modules_where_their_names_have_no_room() -> None:
    long = ended(".".join(["very_long_name"] * 6))

    one, two = (message([Entry(end, ["f.py"]) for end in ends], {}) for ends in ([long], [PRICING, PRICING]))

    assert one.startswith("Add generated tests for 1 module\n")
    assert two.startswith("Add generated tests for 2 modules\n")


def test_coverage_below_what_was_asked_for_and_notes_are_told() -> None:
    said = message([Entry(ended("shop", threshold_met=False), note="one test does not pass any more")], {})

    assert "below threshold" in said
    assert "shop: one test does not pass any more" in said
