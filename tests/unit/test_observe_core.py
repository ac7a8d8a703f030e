"""What a message means in figures."""

import pytest
from msgspec.structs import replace

from tests.support.tasks import NOW, failed, finished, generated, verified
from tests.unit.test_letters import letter
from testwright.observe import core
from testwright.observe.core import Sample, Told
from testwright_schemas import CaseVerdict, Usage, subjects

USAGE = Usage(model="gpt-x", input_tokens=10, output_tokens=5, cost_usd=0.5, wall_s=2.0)


def values(message: Told) -> dict[tuple[str, ...], float]:
    """Return what a message adds, by name and labels."""
    found: dict[tuple[str, ...], float] = {}
    for sample in core.samples(message):
        key = (sample.name, *sample.labels)
        found[key] = found.get(key, 0) + sample.value
    return found


def test_a_candidate_tells_what_it_has_cost() -> None:
    found = values(replace(generated(), usage=USAGE))

    assert found["testwright_tokens_total", "echo", "gpt-x", "input"] == 10
    assert found["testwright_tokens_total", "echo", "gpt-x", "output"] == 5
    assert found["testwright_cost_usd_total", "echo", "gpt-x"] == 0.5


def test_a_dead_letter_that_was_sent_again_is_no_second_one() -> None:
    message = letter()

    assert values(message) == {("testwright_dead_letters_total", subjects.COMMANDS): 1}
    assert values(replace(message, resent_at=NOW)) == {}


def test_cost_that_nobody_knows_is_not_counted_as_none() -> None:
    found = values(replace(generated(), usage=replace(USAGE, cost_usd=None)))

    assert ("testwright_cost_usd_total", "echo", "gpt-x") not in found


def test_a_candidate_that_fails_verification_is_not_paid_twice() -> None:
    generating, verifying = (replace(failed(), phase=phase, usage=USAGE) for phase in ("generate", "verify"))

    assert ("testwright_cost_usd_total", "echo", "gpt-x") in values(generating)
    assert ("testwright_cost_usd_total", "echo", "gpt-x") not in values(verifying)
    assert values(verifying)["testwright_attempts_total", "echo", "engine-crashed"] == 1


def test_a_task_tells_how_many_of_its_tests_were_kept() -> None:
    tests = tuple(CaseVerdict(id=str(n), verdict="kept" if n else "flaky") for n in range(4))

    found = values(replace(finished(), tests=tests, engine="echo"))

    assert found["testwright_verdicts_total", "echo", "kept"] == 3
    assert found["testwright_kept_ratio", "echo"] == 0.75


def test_tests_of_equal_work_are_counted_once() -> None:
    tests = (CaseVerdict(id="1", verdict="kept"),)

    found = values(replace(finished(), tests=tests, engine="echo", joined="task-2"))

    assert ("testwright_verdicts_total", "echo", "kept") not in found
    assert found["testwright_tasks_total", "completed"] == 1


@pytest.mark.parametrize("message", [generated(), verified(), failed(), finished()], ids=lambda m: type(m).__name__)
def test_every_sample_is_of_a_metric_with_these_labels(message: Told) -> None:
    for name, _, labels in (_parts(sample) for sample in core.samples(message)):
        assert len(labels) == len(core.BY_NAME[name].labels)


def _parts(sample: Sample) -> tuple[str, float, tuple[str, ...]]:
    return sample.name, sample.value, sample.labels


def test_counters_end_in_total_and_times_in_seconds() -> None:
    for metric in core.METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (subjects.task_event("ns", "task-1", "finished"), subjects.task_event("*", "*", "finished")),
        (subjects.command_filter("submit", "ns"), subjects.command_filter("submit")),
        (subjects.job_event("ns", "job-1", "finished"), subjects.job_event("*", "*", "finished")),
        (
            f"{subjects.PREFIX}.work.generate.echo.low.ns.task-1.1",
            f"{subjects.PREFIX}.work.generate.echo.low.*.*.*",
        ),
        (f"{subjects.PREFIX}.timer.due.ns.task-1.retry-2", f"{subjects.PREFIX}.timer.due.*.*.*"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_a_template_has_no_names_in_it(subject: str, expected: str) -> None:
    assert core.template(subject) == expected
