"""Modules to measure on: those of the example, and some of packages that are fetched from the package index."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import uv

EXAMPLE = Path(__file__).parents[1] / "examples" / "parcels"


@dataclass(frozen=True, slots=True)
class Subject:
    """A module.

    Attributes:
        requirement: the pinned distribution that it comes from; empty for the example.
        module: its dotted name.
    """

    requirement: str
    module: str

    def path(self, root: Path) -> str:
        """Return where it lies in its project."""
        plain = f"src/{self.module.replace('.', '/')}"
        return f"{plain}/__init__.py" if (root / plain).is_dir() else f"{plain}.py"


SUBJECTS = (
    Subject("", "parcels.shipping"),
    Subject("", "parcels.manifest"),
    Subject("inflection==0.5.1", "inflection"),
    Subject("roman==5.1", "roman"),
    Subject("humanize==4.12.3", "humanize.filesize"),
    Subject("humanize==4.12.3", "humanize.number"),
    Subject("isodate==0.7.2", "isodate.duration"),
    Subject("isodate==0.7.2", "isodate.tzinfo"),
    Subject("semver==3.0.4", "semver.version"),
    Subject("toolz==1.0.0", "toolz.dicttoolz"),
    Subject("wcwidth==0.2.13", "wcwidth.wcwidth"),
    Subject("boltons==25.0.0", "boltons.mathutils"),
    Subject("boltons==25.0.0", "boltons.listutils"),
    Subject("boltons==25.0.0", "boltons.queueutils"),
    Subject("natsort==8.4.0", "natsort.utils"),
    Subject("tabulate==0.9.0", "tabulate"),
)
"""Pure Python under permissive licences, without dependencies, of 100 to 2,700 lines."""

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "subject"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = []
"""


def project(subject: Subject, folder: Path, cache: Path) -> Path:
    """Return a project with the module in it, made below a folder; what is fetched is kept in the cache."""
    root = folder / "project"
    if not subject.requirement:
        shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        return root
    fetched = cache / subject.requirement
    if not fetched.is_dir():
        command = [
            uv.find_uv_bin(),
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(fetched),
            subject.requirement,
        ]
        subprocess.run(command, check=True)
    top = subject.module.partition(".")[0]
    package = fetched / top
    if package.is_dir():
        shutil.copytree(package, root / "src" / top, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (root / "src").mkdir(parents=True)
        shutil.copy(fetched / f"{top}.py", root / "src")
    (root / "pyproject.toml").write_text(_PYPROJECT)
    return root
