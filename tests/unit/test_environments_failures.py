"""What uv's messages mean."""

import pytest

from testwright.environments import failures

NO_PACKAGE = b"""error: No solution found when resolving dependencies
  cause: Because nosuch was not found in the package registry and you require nosuch, we can conclude that ...
"""
REFUSED = b"""error: Request failed after 3 retries in 7.0s
  cause: Failed to fetch: http://127.0.0.1:9/simple/iniconfig/
  cause: error sending request for url (http://127.0.0.1:9/simple/iniconfig/)
  cause: client error (Connect)
"""
UNPARSEABLE = b"error: Failed to parse: `rich=>14`\n  cause: no such comparison operator\n"
NO_PYTHON = b"error: No interpreter found for Python >=3.19 in managed installations or search path\n"
BUILD = b"""error: Failed to build `broken==1.0`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)
"""
UNTRUSTED = REFUSED + b"  cause: invalid peer certificate: UnknownIssuer\n"
NO_CACHE = b"error: Failed to initialize cache at `/home/me/.cache/uv`\n  cause: Permission denied (os error 13)\n"


@pytest.mark.parametrize(
    ("output", "cause", "retryable"),
    [
        (NO_PACKAGE, "dependency-not-installable", False),
        (BUILD, "dependency-not-installable", False),
        (REFUSED, "index-unreachable", True),
        (UNTRUSTED, "index-unreachable", False),
        (NO_CACHE, "cache-not-writable", False),
        (UNPARSEABLE, "bad-metadata", False),
        (NO_PYTHON, "no-interpreter", False),
    ],
)
def test_each_kind_of_failure_has_its_cause(output: bytes, cause: str, retryable: bool) -> None:
    error = failures.of_uv("pyproject.toml", output, timed_out=False)

    assert (error.cause, error.retryable) == (cause, retryable)
    assert str(error).startswith("pyproject.toml: ")
    assert error.log == output


def test_the_message_says_which_package_and_what_to_do() -> None:
    message = str(failures.of_uv("requirements.txt", NO_PACKAGE, timed_out=False))

    assert "nosuch was not found" in message
    assert "--python" in message


def test_a_command_that_did_not_end_may_be_tried_again() -> None:
    assert failures.of_uv("x", b"", timed_out=True).retryable


def test_an_unreachable_index_is_no_reason_to_build() -> None:
    assert failures.needs_build(NO_PACKAGE)
    assert not failures.needs_build(REFUSED)


def test_only_the_tail_of_a_long_output_is_carried() -> None:
    assert len(failures.of_uv("x", b"y" * 1_000_000, timed_out=False).log) == failures.TAIL
