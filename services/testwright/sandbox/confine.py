"""The only place that speaks to Landlock and seccomp: takes files, sockets, signals and privileges from this process.

Loaded by the launcher by its path, in the last process before foreign code, and by the service to ask for ``abi``: it
imports nothing of testwright. What is taken cannot be got back, neither by a child nor by another program. Numbers are
those of the kernel's headers ``landlock.h``, ``prctl.h``, ``seccomp.h``, ``sched.h``.
"""

import ctypes
import os
import stat
import struct
import sys
from typing import Any

LEAST_ABI = 3
"""From Linux 6.2 on; before, whoever may not write a file could still cut it."""
SCOPES_SIGNALS = 6
"""The ABI, of Linux 6.12, from which signals are kept from processes outside."""

_CONTROLS_DEVICES = 5

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 9, 1 << 11, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = ((1 << 15) - 1) & ~(_MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK)
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = 0b11  # abstract Unix sockets, signals

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_TERMINALS = ("/dev/ptmx", "/dev/pts", "/dev/tty")

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAP_AMBIENT = 24, 38, 22, 47
_CAPABILITIES = 64
_CAPABILITY_VERSION = 0x20080522
_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41

_AF_INET, _AF_INET6, _AF_UNIX, _SOCK_STREAM = 2, 10, 1, 1
# Number of the architecture for seccomp, and of the system calls socket and socketpair.
_MACHINES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
_FOREIGN = 0x40000000  # the first number of system calls of another kind (x32)
_IO_URING_SETUP = 425
_LD, _AND, _JEQ, _JGE, _RET = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_EPERM, _EAFNOSUPPORT = 1, 97
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENT_AT = 0, 4, 16


def abi() -> int:
    """Return the version of Landlock that the kernel offers; 0 for none, or where sockets cannot be taken away."""
    if not sys.platform.startswith("linux") or os.uname().machine not in _MACHINES:
        return 0
    try:
        return int(_call("syscall", _CREATE_RULESET, None, 0, 1))
    except (OSError, AttributeError):
        return 0


def confine(rules: dict[str, Any]) -> None:
    """Take everything from this process that the rules do not leave to it.

    Args:
        rules: ``read`` and ``write``, lists of paths, each with all below it; ``network``, one of ``host``, ``own`` (a
            loopback device of its own) and ``none``; ``interactive``, whether Unix sockets and terminals may be opened.

    Raises:
        OSError: the kernel refuses; the process may be confined in part.
    """
    if rules["network"] == "own":
        _leave_network()
    _drop_capabilities()
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _restrict_files(rules["read"], rules["write"], _TERMINALS if rules["interactive"] else ())
    families = [] if rules["network"] == "none" else [_AF_INET, _AF_INET6]
    _restrict_sockets([*families, _AF_UNIX] if rules["interactive"] else families)


def _call(name: str, *arguments: Any) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    function = getattr(libc, name)
    function.restype = ctypes.c_long
    result: int = function(*words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def _leave_network() -> None:
    """Go to a network with nothing in it but a loopback device."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  pathlib triples the start of every run
            file.write(text)
    device = _call("socket", _AF_INET, _SOCK_STREAM, 0)
    _call("ioctl", device, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP_RUNNING))
    os.close(device)


def _drop_capabilities() -> None:
    for capability in range(_CAPABILITIES):
        try:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:
            # There is no such one, or this user has none anyway.
            break
    _call("prctl", _PR_CAP_AMBIENT, 4, 0, 0, 0)
    _call("capset", struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))


def _restrict_files(readable: list[str], writable: list[str], terminals: tuple[str, ...]) -> None:
    version = abi()
    handled = (1 << 15) - 1 if version < _CONTROLS_DEVICES else (1 << 16) - 1
    attributes = struct.pack("QQQ", handled, 0, _SCOPES if version >= SCOPES_SIGNALS else 0)
    # Older kernels refuse what they do not know, be it zero.
    size = 24 if version >= SCOPES_SIGNALS else 8
    ruleset = _call("syscall", _CREATE_RULESET, attributes[:size], size, 0)
    for path in readable:
        _allow(ruleset, path, _READ)
    for path in _DEVICES:
        _allow(ruleset, path, _READ_FILE | _WRITE_FILE | _TRUNCATE)
    for path in terminals:
        _allow(ruleset, path, (_READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & handled)
    for path in writable:
        _allow(ruleset, path, _WRITE)
    _call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        # Distributions lack some of what there may be.
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        access &= _OF_A_FILE
    _call("syscall", _ADD_RULE, ruleset, 1, struct.pack("=Qi", access, place), 0)
    os.close(place)


def _restrict_sockets(families: list[int]) -> None:
    """Have the kernel refuse sockets of other families, and rings, through which one could be opened unseen."""
    architecture, socket, pair = _MACHINES[os.uname().machine]
    allowed, refused = (_RET, 0, 0, _ALLOW), (_RET, 0, 0, _REFUSE | _EPERM)
    no_family = (_RET, 0, 0, _REFUSE | _EAFNOSUPPORT)
    program = [
        (_LD, 0, 0, _ARCHITECTURE_AT),
        (_JEQ, 1, 0, architecture),
        refused,
        (_LD, 0, 0, _NUMBER_AT),
        (_JGE, 0, 1, _FOREIGN),
        refused,
        (_JEQ, 0, 1, _IO_URING_SETUP),
        refused,
        # A pair of datagram sockets can be turned to any address; one of streams is connected for good.
        (_JEQ, 0, 5, pair),
        (_LD, 0, 0, _ARGUMENT_AT + 8),
        (_AND, 0, 0, 0xF),
        (_JEQ, 0, 1, _SOCK_STREAM),
        allowed,
        no_family,
        (_JEQ, 1, 0, socket),
        allowed,
        (_LD, 0, 0, _ARGUMENT_AT),
        *[step for family in families for step in ((_JEQ, 0, 1, family), allowed)],
        no_family,
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(held))
    _call("prctl", _PR_SET_SECCOMP, 2, header, 0, 0)
