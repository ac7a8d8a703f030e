"""Environments: interpreters with what a module, or an engine, needs. Built by uv, cached by digest."""

import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testwright_schemas import Target


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that can import what it was built for.

    Attributes:
        python: absolute path of the interpreter to run.
        version: its minor version, e.g. ``(3, 11)``.
        site_packages: where its packages lie.
        prefixes: folders that a sandbox must be able to read for it to run (environment, base interpreter).
        digest: of everything that went into it.
    """

    python: Path
    version: tuple[int, int]
    site_packages: Path
    prefixes: tuple[Path, ...]
    digest: str


class Environments(Protocol):
    """Builds environments, each once."""

    async def for_project(self, root: Path, target: Target, python: str | None) -> Environment:
        """Return the environment of a project, from its own metadata; ``python`` names one that is ready instead.

        Raises:
            EnvironmentBuildError: a dependency cannot be installed or no interpreter fits (not retryable), or the
                index cannot be reached (retryable).
        """
        ...

    async def for_tool(
        self, name: str, requirements: Sequence[str], pythons: Sequence[str], like: Environment | None = None
    ) -> Environment:
        """Return the environment of a tool: pinned ``requirements`` on the first of ``pythons`` that is there.

        Args:
            name: of the tool, for the folder.
            requirements: lines of a requirements file, pinned.
            pythons: minor versions in order of preference, e.g. ``("3.11", "3.12")``.
            like: an environment whose interpreter version is taken instead, and whose packages become importable
                behind the tool's own.

        Raises:
            EnvironmentBuildError: none of the interpreters is there, or the tool cannot be installed.
        """
        ...

    async def overlay(self, name: str, requirements: Sequence[str], like: Environment) -> Path:
        """Return a folder for ``PYTHONPATH`` with these packages, built for ``like``'s interpreter.

        Raises:
            EnvironmentBuildError: they cannot be installed.
        """
        ...

    async def lock(self, environment: Environment) -> tuple[str, ...]:
        """Return the packages in an environment as pinned requirement lines, sorted; those of overlays are not in it.

        Raises:
            EnvironmentBuildError: they cannot be listed.
        """
        ...


def bare() -> Environment:
    """Return the interpreter that testwright itself runs on, for engines that run nothing of the project's."""
    return Environment(
        python=Path(sys.executable),
        version=sys.version_info[:2],
        site_packages=Path(sysconfig.get_path("purelib")),
        prefixes=(Path(sys.prefix), Path(sys.base_prefix)),
        digest="",
    )
