"""What a later round tells the agent of the rounds before. Pure: a brief and the source in, one text out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from testwright_schemas import Brief

CONTEXT = 2
"""Lines of the source that are shown before and after those that matter."""

MOST_SHOWN = 120
"""Lines of the source that are shown."""

MOST_NAMED = 20
"""Branches, mutants and rejected tests that are named, of each."""

MOST_OF_A_REASON = 600
"""Characters of the output of a rejected test."""

MOST_OF_A_LINE = 160


def briefing(brief: Brief, source: str) -> str:
    """Return what is left to do after the rounds before.

    Args:
        brief: of the rounds before.
        source: of the target.
    """
    lines = source.splitlines()
    parts = (_accepted(brief), _missing(brief, lines), _branches(brief), _survivors(brief), _rejected(brief))
    return "\n\n".join(part for part in parts if part)


def _accepted(brief: Brief) -> str:
    if not brief.accepted:
        return "This is not the first round, but no test of the rounds before was accepted."
    reached = "" if brief.line is None else f" They reach {brief.line:g} % line coverage."
    names = _cut([artifact.name for artifact in brief.accepted])
    return f"""\
This is not the first round. Tests in {", ".join(names)} are accepted, though you do not see these files.{reached}
Do not repeat what they test, and do not write files of these names: write only what is missing, in a new file."""


def _missing(brief: Brief, lines: Sequence[str]) -> str:
    missing = {number for number in brief.missing_lines if 0 < number <= len(lines)}
    if not missing:
        return ""
    near = {near for each in missing for near in range(each - CONTEXT, each + CONTEXT + 1) if 0 < near <= len(lines)}
    shown = sorted(near)[:MOST_SHOWN]
    rows: list[str] = []
    for before, number in zip([0, *shown], shown, strict=False):
        rows += ["    ..."] if rows and number != before + 1 else []
        mark = ">" if number in missing else " "
        rows.append(f"  {mark} {number:4} {_line(lines[number - 1])}".rstrip())
    excerpt = "\n".join(rows)
    return f"Lines that no accepted test runs: {_ranges(missing)}. Marked in the source:\n\n{excerpt}"


def _branches(brief: Brief) -> str:
    if not brief.missing_branches:
        return ""
    said = [f"{start} → {end if end > 0 else 'the end'}" for start, end in brief.missing_branches]
    return f"Branches that no accepted test takes, from line to line: {', '.join(_cut(said))}."


def _survivors(brief: Brief) -> str:
    if not brief.survivors:
        return ""
    said = [f"- line {each.line}, {each.operator}: `{_line(each.text.strip())}`" for each in brief.survivors]
    listed = "\n".join(_cut(said))
    return f"These changes of the source go unnoticed. Write tests that fail when they are made:\n{listed}"


def _rejected(brief: Brief) -> str:
    if not brief.rejected:
        return ""
    said = [f"- {each.id} ({each.verdict}):{_output(each.reason)}" for each in brief.rejected]
    listed = "\n".join(_cut(said))
    return f"These tests of the last round were thrown away. Do better where what they test is worth it:\n{listed}"


def _output(reason: str) -> str:
    kept = reason.strip()
    if len(kept) > MOST_OF_A_REASON:
        # The end says what failed.
        kept = f"…{kept[-MOST_OF_A_REASON:]}"
    lines = kept.splitlines()
    return f" {kept}" if len(lines) < 2 else "".join(f"\n    {_line(line)}" for line in lines)


def _line(text: str) -> str:
    return text if len(text) <= MOST_OF_A_LINE else f"{text[:MOST_OF_A_LINE]}…"


def _cut(said: Sequence[str]) -> list[str]:
    left = len(said) - MOST_NAMED
    return [*islice(said, MOST_NAMED), *([f"and {left} more"] if left > 0 else [])]


def _ranges(numbers: Iterable[int]) -> str:
    return ", ".join(_cut(list(_spans(sorted(numbers)))))


def _spans(numbers: Sequence[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        span = [number for _, number in run]
        yield f"{span[0]}" if len(span) == 1 else f"{span[0]}-{span[-1]}"
