"""How a candidate meets what was accepted before: judged together, and only ever for the better."""

from collections.abc import Mapping

from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright.snapshots.archive import pack, read
from testwright_schemas import Brief, Judgement

Worth = tuple[float, float, float]
"""Lines and branches covered, and mutants noticed, in percent: the more on the left, the better."""

NOTHING: Worth = (-1.0, 0.0, 0.0)


def worth(judgement: Judgement) -> Worth:
    """Return what a suite is worth."""
    if not judgement.kept:
        return NOTHING
    coverage = judgement.coverage
    line, branch = (coverage.line, coverage.branch or 0.0) if coverage else (0.0, 0.0)
    return line, branch, judgement.mutation.score or 0.0


def merged(accepted: Mapping[str, bytes], candidate: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return all files side by side; those that were accepted are in a folder that the candidate does not have."""
    folder = "accepted"
    while any(name.startswith(folder) for name in candidate):
        folder += "_"
    return {f"{folder}/{name}": content for name, content in accepted.items()} | dict(candidate)


async def joined(accepted: Mapping[str, bytes], candidate: bytes) -> bytes:
    """Return the archive of a candidate together with the files that were accepted.

    Raises:
        SnapshotError: the candidate cannot be unpacked.
    """
    return await run_sync(lambda: pack(merged(accepted, read(candidate))))


def with_news(earlier: Judgement, judgement: Judgement) -> Judgement:
    """Return an earlier judgement that stays, with what a later one found wrong with the tests it was to add."""
    rejected = judgement.brief.rejected if judgement.brief else ()
    return replace(earlier, brief=replace(earlier.brief or Brief(), rejected=rejected))


def united(*requirements: tuple[str, ...]) -> tuple[str, ...]:
    """Return requirement lines, each once."""
    return tuple(dict.fromkeys(line for lines in requirements for line in lines))
