"""Benchmarks say what they were to come to, and the page about them names each."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.bus_floor import FLOOR, HANDED_ON, OURS, PEERS
from benchmarks.table import Row

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("row", "goal"),
    [
        (Row("a", 1.0, "ms"), ""),
        (Row("a", 2.0, "ms", most=2.0), "<= 2: met"),
        (Row("a", 2.1, "ms", most=2.0), "<= 2: MISSED"),
        (Row("a", 9.0, "ms", 1.3, "b", most=1.3), "<= 1.3: met"),
        (Row("a", 9.0, "jobs/s", 0.3, "b", least=1 / 3), ">= 0.333: MISSED"),
    ],
)
def test_a_goal_is_about_the_ratio_where_there_is_one_and_met_at_its_bound(row: Row, goal: str) -> None:
    assert row.goal == goal


def test_every_system_that_takes_part_has_its_file() -> None:
    missing = [
        system.title
        for system in (FLOOR, OURS, HANDED_ON, *PEERS)
        if not (ROOT / "benchmarks" / "peers" / f"{system.module}.py").is_file()
    ]

    assert missing == []


def test_the_page_names_every_benchmark() -> None:
    page = report.PAGE.read_text()
    own = {"__init__", "__main__", "report", "table"}
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_")} - own

    assert [name for name in sorted(names) if f"| `{name}` |" not in page] == []


async def test_results_take_the_place_of_those_before_and_leave_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = {
        "title": "speed: of light",
        "machine": {"python": "3.11.7", "cpus": 2, "load": 0.5},
        "rows": [
            {"name": "a", "value": 1234.5, "unit": "ms", "ratio": 2.0, "against": "b", "most": 1.3, "least": None}
            | {"met": False}
        ],
        "notes": ["in a vacuum"],
    }
    (tmp_path / "speed.json").write_text(json.dumps(result))
    page = tmp_path / "page.md"
    told = "### `speed`: of sound\nold\n### `weight`: of air\nkept\n"
    page.write_text(f"before\n{report.BEGIN}\n{told}{report.END}\nafter\n")
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", page)

    await report.main([])

    text = page.read_text()
    assert "| a | 1,234 ms | 2.00 x b | ≤ 1.3: **missed** |" in text
    assert "old" not in text
    assert text.index("of light") < text.index("### `weight`: of air\nkept") < text.index(report.END)
    assert (text.startswith("before\n"), text.endswith("after\n")) == (True, True)
