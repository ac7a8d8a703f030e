"""Where control groups might be made, as the kernel tells of its hierarchies."""

from pathlib import Path

from testwright.sandbox.cgroup import candidates

UNIFIED = "34 27 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
DIVIDED = (
    "35 27 0:31 / /sys/fs/cgroup/pids rw shared:10 - cgroup cgroup rw,pids\n"
    "36 27 0:32 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
    "37 27 0:33 / /sys/fs/cgroup/cpu rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n"
)


def test_in_a_unified_hierarchy_groups_are_made_beside_our_own() -> None:
    found = list(candidates(UNIFIED, "0::/user.slice/app.scope\n"))

    assert [base.folder for base in found] == [Path("/sys/fs/cgroup/user.slice")]
    assert set(found[0].files) == {"pids.max", "memory.max", "memory.swap.max"}


def test_in_the_root_of_a_unified_hierarchy_groups_are_made_there() -> None:
    assert [base.folder for base in candidates(UNIFIED, "0::/\n")] == [Path("/sys/fs/cgroup")]


def test_in_divided_hierarchies_each_limit_has_a_group_of_its_own() -> None:
    found = candidates(DIVIDED, "9:pids:/ours\n8:memory:/\n3:cpu,cpuacct:/ours\n")

    assert {base.folder: set(base.files) for base in found} == {
        Path("/sys/fs/cgroup/pids/ours"): {"pids.max"},
        Path("/sys/fs/cgroup/memory"): {"memory.limit_in_bytes"},
    }


def test_a_hierarchy_that_we_are_not_in_is_left_alone() -> None:
    assert list(candidates(DIVIDED, "3:cpu,cpuacct:/\n")) == []


def test_other_file_systems_are_no_hierarchies() -> None:
    assert list(candidates("22 1 8:1 / / rw - ext4 /dev/root rw\n", "0::/\n")) == []
