"""How much memory can be had, and how many places there is memory for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testwright.machine import PLENTY_MB, free_mb, held_mb, places

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


def process(root: Path, pid: int, parent: int, started_s: int, own_kb: int | None) -> None:
    """Add a process to a system, with a name that is made to mislead; of one without ``own_kb`` we may not know."""
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True)
    ticks = started_s * os.sysconf("SC_CLK_TCK")
    folder.joinpath("stat").write_text(f"{pid} (a) S 1 (b) S {parent} {'0 ' * 17}{ticks} 0 0\n")
    if own_kb is not None:
        told = f"0-f ---p 0 00:00 0 [rollup]\nRss: 9999999 kB\nPss_Anon: {own_kb} kB\nPss_File: 7777777 kB\n"
        folder.joinpath("smaps_rollup").write_text(told)


def test_what_is_held_is_that_of_young_processes_that_we_have_started_and_of_theirs(tmp_path: Path) -> None:
    root, us = system(tmp_path), os.getpid()
    root.joinpath("proc/uptime").write_text("1000.00 1.00\n")
    process(root, 2_000_001, us, started_s=950, own_kb=300 * 1024)
    process(root, 2_000_002, 2_000_001, started_s=960, own_kb=200 * 1024)
    process(root, 2_000_003, us, started_s=20, own_kb=5000 * 1024)  # the server, say
    process(root, 2_000_004, 2_000_003, started_s=970, own_kb=40 * 1024)
    process(root, 2_000_005, us, started_s=970, own_kb=None)
    process(root, 2_000_006, 1, started_s=970, own_kb=9000 * 1024)

    assert held_mb(60, root) == 540


def test_where_the_system_does_not_say_nothing_is_held(tmp_path: Path) -> None:
    assert held_mb(60, tmp_path) == 0


def test_a_process_of_ours_is_seen_to_hold_what_it_has_taken() -> None:
    script = f"taken = bytearray({256 * MIB}); taken[::4096] = b'x' * len(taken[::4096]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held = held_mb(60)
        child.communicate(b"\n")

    assert held >= 256
