"""Who may ask the gateway, and from where."""

import socket
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from testwright.errors import BusClosedError, RequestRefusedError, TaskNotFoundError
from testwright.gateway.access import COOKIE, Grant, granted, host_allowed, origin_allowed, read_grants
from testwright.gateway.allowance import Allowance
from testwright.gateway.asking import download
from testwright.gateway.guard import POLICY, Guard
from testwright.gateway.listening import Place, bind, grants_of
from testwright.gateway.problems import problem_for, problem_of

GRANTS = read_grants("# comment\nfirst\n\n  second team\n")


def test_a_file_of_tokens_says_which_namespace_each_is_for() -> None:
    assert (Grant(token="first", namespace="*"), Grant(token="second", namespace="team")) == GRANTS


@pytest.mark.parametrize(
    ("authorization", "cookie", "found"),
    [
        ("Bearer first", "", GRANTS[0]),
        ("bearer second", "", GRANTS[1]),
        ("Bearer third", "", None),
        ("Basic first", "", None),
        ("Bearer ", "", None),
        (None, "", None),
        (None, GRANTS[1].session, GRANTS[1]),
        (None, "first", None),
        ("Bearer third", GRANTS[1].session, None),
    ],
)
def test_a_token_or_the_cookie_made_from_it_lets_in(
    authorization: str | None, cookie: str, found: Grant | None
) -> None:
    assert granted(GRANTS, authorization, {COOKIE: cookie}) == found


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8420", "127.0.0.1:1", "[::1]:8420", "10.1.2.3", "tests.example"]
)
def test_a_known_name_or_any_address_is_answered(host: str) -> None:
    assert host_allowed(host, ("tests.example",))


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "a@b"]
)
def test_any_other_name_is_not_answered(host: str | None) -> None:
    assert not host_allowed(host, ("tests.example",))


@pytest.mark.parametrize(
    ("method", "origin", "site", "by_cookie", "allowed"),
    [
        ("POST", "http://h:1", None, True, True),
        ("POST", "https://h:1", "same-origin", True, True),
        ("POST", "http://evil", None, True, False),
        ("POST", "null", None, True, False),
        ("GET", "http://evil", None, False, False),
        ("POST", None, None, True, False),
        ("POST", None, "same-origin", True, True),
        ("POST", None, None, False, True),
        ("POST", None, "cross-site", False, False),
        ("GET", None, "cross-site", True, True),
        ("GET", None, None, True, True),
    ],
)
def test_only_the_page_itself_changes_anything_with_its_cookie(
    method: str, origin: str | None, site: str | None, by_cookie: bool, allowed: bool
) -> None:
    assert origin_allowed(method, "h:1", origin, site, by_cookie=by_cookie) is allowed


def test_an_allowance_is_spent_by_each_caller_alone_and_comes_back_with_time() -> None:
    allowance = Allowance(burst=2, per_second=1)

    assert [allowance.take("a", 0.0) for _ in range(3)] == [0, 0, 1.0]
    assert allowance.take("b", 0.0) == 0
    assert allowance.take("a", 1.0) == 0
    assert allowance.take("a", 1.25) == 0.75


async def test_who_asks_too_often_is_told_when_to_come_again_and_every_answer_is_secured() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        await PlainTextResponse("hello")(scope, receive, send)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  of ASGI

    guard = Guard(app, GRANTS, (), Allowance(burst=1, per_second=0.1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://localhost") as http:
        good, late = await http.get("/"), await http.get("/")

    assert (good.status_code, late.status_code) == (200, 429)
    assert int(late.headers["retry-after"]) == 10
    assert {answer.headers["content-security-policy"] for answer in (good, late)} == {POLICY}
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (TaskNotFoundError("t"), 404, "task-not-found"),
        (RequestRefusedError(409, "task-not-ended", "it runs"), 409, "task-not-ended"),
        (BusClosedError("gone"), 503, "bus-unavailable"),
        (RuntimeError("secret"), 500, "internal-error"),
    ],
)
def test_an_error_becomes_a_problem_and_a_defect_tells_nothing(error: Exception, status: int, kind: str) -> None:
    found = problem_of(error)

    assert (found.status, found.type) == (status, f"urn:testwright:problem:{kind}")
    assert b"secret" not in found.encode()


def test_a_bare_status_becomes_a_problem() -> None:
    assert problem_for(405).type.endswith("method-not-allowed")


def test_a_download_cannot_choose_its_headers_or_run() -> None:
    found = download(b"<script>", 'a"\r\nSet-Cookie: x/../é.html', shown=True)

    assert found.headers["content-disposition"] == 'inline; filename="a___Set-Cookie__x_..__.html"'
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in found.headers["content-security-policy"]


def test_a_token_of_its_own_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first, second = grants_of(None, tmp_path / "data"), grants_of("", tmp_path / "data")

    assert first == second
    assert len(first[0].token) > 40
    assert (tmp_path / "data" / "gateway.token").stat().st_mode & 0o777 == 0o600
    assert grants_of("named", tmp_path) == (Grant(token="named"),)


def test_the_address_of_the_page_holds_its_token_where_no_server_sees_it() -> None:
    with bind("127.0.0.1", 0) as taken:
        place = Place(taken, GRANTS)
        assert httpx.URL(place.invitation).fragment == "token=first"
        assert httpx.URL(place.invitation).port == taken.getsockname()[1]


def test_a_taken_port_is_refused_unless_another_does() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"in use: .127\.0\.0\.1:{port}"):
            bind("127.0.0.1", port)
        with bind("127.0.0.1", port, else_any=True) as other:
            assert isinstance(other, socket.socket)
            assert other.getsockname()[1] != port
