"""The dashboard and the alerts ask for what is measured, and for nothing else."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testwright.observe import core
from testwright.observe.prometheus import Prometheus
from testwright_schemas import subjects

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def expressions() -> Iterator[str]:
    """Yield every expression of the dashboard and the alerts."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield (FOLDER / "alerts.yaml").read_text("utf-8")


def series() -> dict[str, tuple[str, ...]]:
    """Return the labels of every series that is exported."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in core.METRICS:
        endings = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {metric.name + ending: metric.labels for ending in endings}
    return found


def test_dashboard_and_alerts_ask_for_what_is_exported() -> None:
    asked = {name for text in expressions() for name in re.findall(r"\btestwright_\w+", text)}

    assert asked <= set(series())
    assert len(asked) > 15


def test_they_select_by_labels_that_the_series_have() -> None:
    for text in expressions():
        for name, selected in re.findall(r"\b(testwright_\w+)\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)\s*[=!]", selected))
            assert labels <= set(series()[name]), name


def test_every_metric_of_work_is_on_the_dashboard() -> None:
    text = (FOLDER / "dashboard.json").read_text("utf-8")

    missing = {metric.name for metric in core.METRICS if metric.name not in text}

    assert missing == {"testwright_handling_seconds", "testwright_published_total", "testwright_queue_redelivered"}


def test_every_alert_is_explained() -> None:
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "alerts.yaml").read_text("utf-8"))
    explained = (FOLDER.parents[1] / "docs" / "observability.md").read_text("utf-8")

    assert [alert for alert in alerts if f"`{alert}`" not in explained] == []


@promtool
@pytest.mark.parametrize("check", [["rules", "alerts.yaml"], ["config", "prometheus.yaml"]], ids=lambda c: c[0])
def test_prometheus_understands_its_files(check: list[str]) -> None:
    found = subprocess.run(["promtool", "check", *check], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


@promtool
def test_each_alert_fires_when_it_should_and_only_then() -> None:
    command = ["promtool", "test", "rules", "alerts.test.yaml"]

    found = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr
    alerts = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yaml").read_text("utf-8")))
    tried = re.findall(r"alertname: (\w+)", (FOLDER / "alerts.test.yaml").read_text("utf-8"))
    assert {name for name in tried if tried.count(name) > 1} == alerts


def test_what_is_known_to_be_counted_is_0_before_it_happens() -> None:
    text = Prometheus().text().decode()

    assert f'testwright_dead_letters_total{{stream="{subjects.WORK}"}} 0.0' in text
    assert 'testwright_tasks_total{outcome="failed"} 0.0' in text
