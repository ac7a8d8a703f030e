"""The only place that decides which passing tests add something. Pure.

First those that together cover all that any test covers, chosen greedily; mutants are then tried on them before the
others, and an other stays if it is the first to notice some mutant. So what is left out adds neither. Where the budget
was too short for all mutants, tests that take a path of their own stay as well.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from testwright.verification.events import Mutant
from testwright.verification.measurement import Arc


def by_gain(cases: Sequence[str], arcs: Mapping[str, frozenset[Arc]]) -> tuple[list[str], list[str]]:
    """Return the tests that add coverage, most first, and the others in their order."""
    left = list(cases)
    covered: set[Arc] = set()
    chosen: list[str] = []
    while left:
        best = max(left, key=lambda case: len(arcs.get(case, frozenset()) - covered))
        gain = arcs.get(best, frozenset()) - covered
        if not gain:
            break
        covered |= gain
        chosen.append(best)
        left.remove(best)
    needed = _without_superseded(chosen, arcs)
    return needed, [case for case in cases if case not in needed]


def _without_superseded(chosen: Sequence[str], arcs: Mapping[str, frozenset[Arc]]) -> list[str]:
    """Leave out tests whose arcs those chosen after them take together."""
    times = Counter(arc for case in chosen for arc in arcs[case])
    needed = list(chosen)
    for case in chosen:
        if all(times[arc] > 1 for arc in arcs[case]):
            needed.remove(case)
            times.subtract(arcs[case])
    return needed


def worth_keeping(chosen: Iterable[str], others: Iterable[str], mutants: Iterable[Mutant]) -> set[str]:
    """Return the chosen tests, and those of the others that notice a mutant which none before them does."""
    first_to_notice = {mutant.by for mutant in mutants if mutant.fate in {"killed", "timeout"}}
    return {*chosen, *(case for case in others if case in first_to_notice)}


def on_paths_of_their_own(
    kept: Collection[str], others: Iterable[str], arcs: Mapping[str, frozenset[Arc]]
) -> list[str]:
    """Return, in their order, those of the others that go through the target as none that stays does.

    Where not all mutants were run, such tests are likely to notice some of the rest.
    """
    paths = {arcs.get(case, frozenset()) for case in kept} | {frozenset[Arc]()}
    result: list[str] = []
    for case in others:
        if case not in kept and (path := arcs.get(case, frozenset())) not in paths:
            paths.add(path)
            result.append(case)
    return result
