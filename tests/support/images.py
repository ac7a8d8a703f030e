"""The images of the deployment, built without a registry: the only place that makes base layers of this machine."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from docker.client import from_env

from testwright.settings import tool_path

REPOSITORY = Path(__file__).parents[2]
BASE = "testwright-tests/base"
UV = "testwright-tests/uv"
CORE = "testwright-tests/core"
WORKER = "testwright-tests/worker"
PROMETHEUS = "testwright-tests/prometheus"

_PACKAGES = ("base-files", "bash", "bubblewrap", "ca-certificates", "coreutils", "dash", "grep", "libc-bin", "python3")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_ALSO = ("/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", _CERTIFICATES)
"""What no package lists: links of the file system, and what is made when packages are installed."""

_OURS = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
_LEFT_OUT = ("/usr/share/doc", "/usr/share/info", "/usr/share/locale", "/usr/share/man", "/tmp", "/etc/passwd")


def build_stack() -> None:
    """Build ``CORE`` and ``WORKER`` from the kept Containerfile, on a base of this machine's own packages.

    Packages of Python come from the index that this machine uses.
    """
    if shutil.which("dpkg-query") is None:
        pytest.skip("the base layer is made of Debian packages that are installed here")
    binary = shutil.which("uv", path=tool_path())
    assert binary is not None
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(Path(binary).resolve(), "uv")
    client = from_env(timeout=600)
    try:
        certificates = [f"ENV SSL_CERT_FILE={_CERTIFICATES}"]
        client.api.import_image_from_data(_base_layer(), repository=BASE, tag="latest", changes=certificates)
        client.api.import_image_from_data(layer.getvalue(), repository=UV, tag="latest")
        for target, tag in (("worker", WORKER), ("core", CORE)):
            client.images.build(
                path=str(REPOSITORY),
                dockerfile="deploy/Containerfile",
                target=target,
                tag=tag,
                buildargs={"BASE": BASE, "UV": UV},
                network_mode="host",
                rm=True,
            )
    finally:
        client.close()


def build_prometheus() -> None:
    """Build ``PROMETHEUS``: the program of this machine, on the base that ``build_stack`` has made."""
    binary = shutil.which("prometheus")
    assert binary is not None
    recipe = f"FROM {BASE}\nCOPY prometheus /usr/bin/\nRUN mkdir /prometheus && chown 65534:65534 /prometheus\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(Path(binary).resolve(), "prometheus")
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        archive.addfile(entry, io.BytesIO(recipe.encode()))
    context.seek(0)
    client = from_env()
    try:
        client.images.build(fileobj=context, custom_context=True, tag=PROMETHEUS, network_mode="none", rm=True)
    finally:
        client.close()


def _base_layer() -> bytes:
    """Return an archive of a small Debian with Python: the files of packages that are installed here."""
    found = subprocess.run(
        ["dpkg-query", "-L", *_with_dependencies(_PACKAGES)], check=True, capture_output=True, text=True
    )
    # A package lists /bin/sh where the folder has long been a link.
    listed = {
        str(path.parent.resolve() / path.name) for path in map(Path, found.stdout.splitlines()) if path.is_absolute()
    }
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name in sorted((listed | set(_ALSO)) - {"/", "/etc/group"}):
            if not name.startswith(_LEFT_OUT) and os.path.lexists(name):
                archive.add(name, recursive=False)
        for name, text in _OURS.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        scratch = tarfile.TarInfo("tmp")
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(scratch)
    return layer.getvalue()


def _with_dependencies(names: tuple[str, ...]) -> list[str]:
    """Return the packages that must be there for some to work, themselves included."""
    line = "${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    query = subprocess.run(["dpkg-query", "-W", "-f", line], check=True, capture_output=True, text=True)
    needs: dict[str, list[list[str]]] = {}
    providers: dict[str, str] = {}
    for name, status, depends, provides in (each.split("\t") for each in query.stdout.splitlines()):
        if status == "installed":
            needs[name] = [[_bare(one) for one in each.split("|")] for each in depends.split(",") if each.strip()]
            providers |= {_bare(each): name for each in provides.split(",") if each.strip()} | {name: name}
    found: set[str] = set()
    missing = [*names]
    while missing:
        name = providers.get(missing.pop(), "")
        if name and name not in found:
            found.add(name)
            missing += [next((one for one in either if one in providers), "") for either in needs[name]]
    return sorted(found)


def _bare(dependency: str) -> str:
    return re.split(r"[ :(]", dependency.strip())[0]
