"""How much memory can be had, and how many places there is memory for."""

from pathlib import Path

import pytest

from testwright.machine import PLENTY_MB, free_mb, places

MIB = 1024 * 1024


def system(root: Path, **files: str) -> Path:
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 99999999 kB\nMemAvailable: 8192000 kB\n")
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_it_is_what_the_machine_has_where_nothing_limits_it(tmp_path: Path) -> None:
    assert free_mb(system(tmp_path, memory_dot_max="max\n", memory_dot_current="5\n", memory_dot_stat="")) == 8000


def test_it_is_what_the_control_group_has_left_where_that_is_less(tmp_path: Path) -> None:
    used = {"memory_dot_current": f"{1500 * MIB}", "memory_dot_stat": f"anon 7\ninactive_file {500 * MIB}\n"}
    assert free_mb(system(tmp_path, memory_dot_max=f"{4000 * MIB}", **used)) == 3000


def test_groups_of_the_first_version_are_understood(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        memory__memory_dot_limit_in_bytes=f"{2000 * MIB}",
        memory__memory_dot_usage_in_bytes=f"{500 * MIB}",
        memory__memory_dot_stat="total_inactive_file 0\n",
    )
    assert free_mb(root) == 1500


def test_a_system_that_does_not_say_has_plenty(tmp_path: Path) -> None:
    assert free_mb(tmp_path) == PLENTY_MB


@pytest.mark.parametrize(("free", "expected"), [(100_000, 4), (5000, 2), (4096, 2), (4095, 1), (10, 1), (0, 1)])
def test_there_are_as_many_places_as_there_is_memory_for_and_one_in_any_case(free: int, expected: int) -> None:
    assert places(4, 2048, free) == expected
