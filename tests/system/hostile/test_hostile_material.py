"""Snapshots, candidates and engines that mean harm, taken in by the real workers."""

import gzip
import io
import resource
import tarfile

import pytest

from testwright.errors import SandboxUnavailableError, SnapshotError
from testwright.sandbox.choice import demand
from testwright.sandbox.local import LocalSandbox
from testwright.snapshots.archive import ArchiveLimits, read
from testwright_schemas import Policy


def tar(*members: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return gzip.compress(stream.getvalue(), 9)


def member(name: str, type_: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = type_, link, size
    return made


def test_a_snapshot_that_grows_without_end_costs_no_more_than_its_limit() -> None:
    bomb = gzip.compress(bytes(256 << 20), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(SnapshotError, match="unpacks to more than"):
        read(bomb, ArchiveLimits(max_bytes=16 << 20, max_files=10))

    assert len(bomb) < 2 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10


@pytest.mark.parametrize(
    "archive",
    [
        tar(member("../outside.py")),
        tar(member("/outside.py")),
        tar(member("a/../../outside.py")),
        tar(member("link", tarfile.SYMTYPE, "/etc"), member("link/outside.py")),
        tar(member("hard", tarfile.LNKTYPE, "/etc/passwd")),
        tar(member("device", tarfile.CHRTYPE)),
        tar(member("pipe", tarfile.FIFOTYPE)),
        tar(member("a"), member("a/b")),
        tar(member("a"), member("a")),
        tar(*(member(f"file{number}") for number in range(11))),
        tar(member("big", size=2 << 20)),
    ],
    ids=["up", "absolute", "inner-up", "link", "hard-link", "device", "pipe", "folder", "twice", "many", "big"],
)
def test_an_archive_that_leads_elsewhere_is_refused(archive: bytes) -> None:
    with pytest.raises(SnapshotError):
        read(archive, ArchiveLimits(max_bytes=1 << 20, max_files=10))


def test_a_task_that_demands_isolation_is_refused_without_it() -> None:
    with pytest.raises(SandboxUnavailableError, match="process-group") as caught:
        demand(Policy(sandbox="required"), LocalSandbox(allow_bubblewrap=False))

    assert caught.value.cause == "sandbox-unavailable"
    demand(Policy(), LocalSandbox(allow_bubblewrap=False))
