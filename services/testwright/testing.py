"""Fixtures of pytest for those whose tests need a testwright: a server, all actors and a client, in this process.

Ask for them in a ``conftest.py``: ``pytest_plugins = ["testwright.testing"]``. The event loop that everything runs on
has a thread of its own, so tests may be blocking, or be on an event loop themselves.
"""

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from testwright.app import Options
from testwright.cli.service import complete
from testwright.client import Client
from testwright.submission import Job, Terms
from testwright_schemas import Policy, TaskFinished

T = TypeVar("T")

ECHO = Policy(engines=("echo",), coverage=0, repeats=1, mutants=False)
"""The quickest policy: one smoke test a module, which has to pass once."""

PATIENCE_S = 120.0
"""Seconds that the blocking client waits for the end of a task: the first one builds an environment."""


class BlockingClient:
    """A client for tests without an event loop; ``testwright.client.Client`` is for those with one.

    Args:
        client: connected, on the event loop of the portal.
        portal: to that event loop.

    Attributes:
        namespace: of everything it submits and sees.
    """

    def __init__(self, client: Client, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal
        self.namespace = client.namespace

    def submit(self, *paths: Path | str, policy: Policy = ECHO, terms: Terms | None = None) -> Job:
        """Submit modules and return as soon as that is stored; raises as ``Client.submit`` does."""
        return self.call(lambda client: client.submit(paths, policy, terms))

    def wait(self, task_id: str, timeout: float = PATIENCE_S) -> TaskFinished:
        """Return the result of a task when it has ended; raises as ``Client.wait`` does."""
        return self.call(lambda client: client.wait(task_id, timeout))

    def generate(self, *paths: Path | str, policy: Policy = ECHO) -> list[TaskFinished]:
        """Submit modules and return their results when all have ended."""
        return [self.wait(task.id) for task in self.submit(*paths, policy=policy).tasks]

    def files(self, result: TaskFinished) -> dict[str, bytes]:
        """Return the files of a suite by name; raises as ``Client.files`` does."""
        return self.call(lambda client: client.files(result))

    def call(self, ask: Callable[[Client], Awaitable[T]]) -> T:
        """Return what the asynchronous client answers to anything else it can do; an interrupt ends that, too."""
        asked = self._portal.start_task_soon(ask, self._client)
        try:
            return asked.result()
        finally:
            asked.cancel()  # without effect where it has ended


@contextmanager
def service(options: Options | None = None) -> Generator[tuple[str, BlockingPortal]]:
    """Run a server with everything on it for as long as the body runs; nothing of it is kept.

    Args:
        options: of the actors; by default they serve the echo engine, two attempts at a time.

    Yields:
        its URL, with credentials, and a portal to the event loop that it runs on.

    Raises:
        ServerStartError: it does not come up.
    """
    chosen = options or Options(concurrency=2, engines=("echo",))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(complete(None, chosen)) as url:
        yield url, portal


@contextmanager
def connected(url: str, portal: BlockingPortal, namespace: str) -> Generator[BlockingClient]:
    """Connect a blocking client for as long as the body runs.

    Raises:
        ConnectError: the server cannot be reached.
    """
    with portal.wrap_async_context_manager(Client.connect(url, namespace=namespace)) as client:
        yield BlockingClient(client, portal)


@pytest.fixture(scope="session")
def testwright_service() -> Iterator[tuple[str, BlockingPortal]]:
    """Yield the server of this session, with all actors and the echo engine; see ``service``."""
    with service() as running:
        yield running


@pytest.fixture
def testwright_url(testwright_service: tuple[str, BlockingPortal]) -> str:
    """Return the URL of the session's server, with credentials: for NATS clients, and for ``NATS_URL``."""
    return testwright_service[0]


@pytest.fixture
def testwright_namespace() -> str:
    """Return a namespace of this test's own: nothing of other tests is in it."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def testwright_client(
    testwright_service: tuple[str, BlockingPortal], testwright_namespace: str
) -> Iterator[BlockingClient]:
    """Yield a blocking client in the test's namespace."""
    with connected(*testwright_service, testwright_namespace) as client:
        yield client
