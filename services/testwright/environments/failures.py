"""The only place that reads uv's error messages: pure, from what it printed to an error with a cause."""

import re

from testwright.errors import EnvironmentBuildError

TAIL = 20_000
"""Bytes of uv's output that an error carries."""

_UNREACHABLE = re.compile(
    rb"error sending request|client error \(Connect\)|dns error|operation timed out|connection (reset|refused)"
    rb"|HTTP status server error|429 Too Many Requests|network was disabled",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(rb"invalid peer certificate", re.IGNORECASE)
_NO_CACHE = re.compile(rb"Failed to initialize cache at[^\n]*")
_NO_INTERPRETER = re.compile(rb"No interpreter found|Failed to download .*cpython|python-build-standalone")
_UNPARSEABLE = re.compile(rb"(Failed to parse|Couldn't parse requirement)[^\n]*")


def of_uv(what: str, output: bytes, *, timed_out: bool) -> EnvironmentBuildError:
    """Return the error for a failed ``uv`` command.

    Args:
        what: was to be installed, for the message.
        output: of uv, standard output and error.
        timed_out: whether it was ended by us.
    """
    log = output[-TAIL:]
    if _NO_CACHE.search(output):
        message = f"{what}: {_reason(output)}; make that folder writable, or set TESTWRIGHT_CACHE to another one"
        return EnvironmentBuildError("cache-not-writable", message, log=log)
    if _UNTRUSTED.search(output):
        message = f"{what}: the package index shows a certificate that uv does not trust; if it is right, have uv use"
        remedy = "the certificates of this system (UV_SYSTEM_CERTS=1), or name them (SSL_CERT_FILE)"
        return EnvironmentBuildError("index-unreachable", f"{message} {remedy}", log=log)
    if _NO_INTERPRETER.search(output):
        return EnvironmentBuildError(
            "no-interpreter", f"{what}: {_reason(output)}; install one, e.g. by uv or pyenv", log=log
        )
    if timed_out:
        message = f"{what}: uv did not finish in time; check the index and the log, then retry"
        return EnvironmentBuildError("index-unreachable", message, retryable=True, log=log)
    if _UNREACHABLE.search(output):
        message = f"{what}: the package index cannot be reached; check the network and UV_INDEX_URL, then retry"
        return EnvironmentBuildError("index-unreachable", message, retryable=True, log=log)
    if _UNPARSEABLE.search(output):
        return EnvironmentBuildError("bad-metadata", f"{what}: {_reason(output)}; correct it and submit again", log=log)
    advice = "correct the requirements, or name an interpreter that has them (--python)"
    return EnvironmentBuildError("dependency-not-installable", f"{what}: {_reason(output)}; {advice}", log=log)


def needs_build(output: bytes) -> bool:
    """Say whether an installation from wheels alone failed for a reason that a build may mend."""
    return not (_UNREACHABLE.search(output) or _UNPARSEABLE.search(output))


def _reason(output: bytes) -> str:
    """Return uv's own explanation in one line."""
    text = output.decode(errors="replace")
    start = text.find("error:")
    lines = [line.strip().removeprefix("cause:").strip() for line in text[max(start, 0) :].splitlines()]
    return " ".join(line for line in lines if line)[:600].removeprefix("error: ").rstrip(".")
