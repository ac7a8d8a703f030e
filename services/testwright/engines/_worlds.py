"""Knows values of the standard library's types that a module deals in, by what it imports. Pure.

Without annotations a search hardly ever comes by a date: it would have to hit on the class, and on arguments for it.
"""

import ast
from collections.abc import Iterator

VALUES = {
    "datetime": (
        "datetime.date(2024, 2, 29)",
        "datetime.datetime(2023, 12, 31, 23, 59)",
        "datetime.timedelta(days=40)",
    ),
    "decimal": ("decimal.Decimal('2.5')",),
    "fractions": ("fractions.Fraction(1, 3)",),
    "io": ("io.StringIO('one\\ntwo\\n')",),
    "pathlib": ("pathlib.PurePosixPath('one/two.tar.gz')",),
    "uuid": ("uuid.UUID(int=1)",),
}
"""Sources of values, by the module that they need; dates at the ends of a month and of a year."""


def values(target: ast.Module) -> list[tuple[str, str]]:
    """Return the names of modules to import, and the sources of values that they make."""
    imported = dict.fromkeys(_imported(target))
    return [(name, source) for name in imported for source in VALUES.get(name, ())]


def _imported(target: ast.Module) -> Iterator[str]:
    for node in ast.walk(target):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                pass
