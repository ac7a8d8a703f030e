"""The only place that says how the evidence of one task lies in an archive or a folder: all it takes, and no server.

``events/`` holds the bodies of the task's events as they were stored, in order; ``suite/`` the delivered files; beside
them lie ``snapshot.tar.gz``, ``candidate.tar.gz`` and ``report.json``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testwright.errors import SnapshotError
from testwright.snapshots import archive

SNAPSHOT = "snapshot.tar.gz"
CANDIDATE = "candidate.tar.gz"
REPORT = "report.json"
_EVENTS = "events/"
_SUITE = "suite/"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The evidence of one task.

    Attributes:
        events: their bodies, in order.
        snapshot: archive of the sources; empty where it is gone.
        candidate: archive that the engine delivered last; empty where there is none.
        report: of the verification; empty where there was none.
        suite: delivered files by name.
    """

    events: Sequence[bytes]
    snapshot: bytes = b""
    candidate: bytes = b""
    report: bytes = b""
    suite: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    def files(self) -> dict[str, bytes]:
        """Return it as files by relative name."""
        named = {SNAPSHOT: self.snapshot, CANDIDATE: self.candidate, REPORT: self.report}
        events = {f"{_EVENTS}{number:04}.json": body for number, body in enumerate(self.events, start=1)}
        suite = {_SUITE + name: content for name, content in self.suite.items()}
        return {**events, **suite, **{name: content for name, content in named.items() if content}}

    def pack(self) -> bytes:
        """Return it as an archive."""
        return archive.pack(self.files())


def read(path: Path) -> Bundle:
    """Return the bundle in an archive, or in the folder that one was unpacked into.

    Raises:
        SnapshotError: it is none, or is damaged.
    """
    try:
        files = _folder(path) if path.is_dir() else archive.read(path.read_bytes())
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error}") from error
    events = [files[name] for name in sorted(files) if name.startswith(_EVENTS)]
    if not events:
        raise SnapshotError(f"{path} holds no events of a task: `testwright result ID --bundle FILE` writes a bundle")
    return Bundle(
        events=events,
        snapshot=files.get(SNAPSHOT, b""),
        candidate=files.get(CANDIDATE, b""),
        report=files.get(REPORT, b""),
        suite={name.removeprefix(_SUITE): files[name] for name in sorted(files) if name.startswith(_SUITE)},
    )


def _folder(path: Path) -> dict[str, bytes]:
    # Only what a bundle has: a folder may be anybody's.
    own = [
        *path.glob("events/*.json"),
        *(path / "suite").rglob("*"),
        *(path / n for n in (SNAPSHOT, CANDIDATE, REPORT)),
    ]
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in own if each.is_file()}
