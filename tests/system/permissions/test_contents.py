"""Contents of a namespace are nobody else's: whatever a client of another one asks the server for, and says to it."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.buses import told
from tests.support.guarded import Guarded, deployment, guarded
from testwright.bus._nats_link import Link
from testwright.errors import BlobCorruptError, BlobNotFoundError, PermissionDeniedError
from testwright_schemas import subjects

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("contents")]

BUCKETS = (subjects.SNAPSHOTS, subjects.ARTIFACTS)
THEIRS = b"what another tenant has stored"
MANY_CHUNKS = bytes(range(256)) * (5 * 1024 * 1024 // 256)


@pytest.fixture(scope="module")
async def guard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Run a server with clients of two namespaces."""
    folder = tmp_path_factory.mktemp("auth")
    async with guarded(folder, "nkeys", deployment("nkeys", ["acme", "other"])) as made:
        await made.apply()
        yield made


@pytest.fixture
async def digest(guard: Guarded) -> str:
    """Return what is stored in another namespace, in either bucket."""
    admin = await guard.connect("admin")
    [digest, _] = [await admin.put(bucket, "other", THEIRS) for bucket in BUCKETS]
    return digest


async def request(guard: Guarded, title: str, subject: str, body: Any) -> dict[str, Any]:
    """Return what the server says to a request of a user."""
    link = Link()
    await link.open(guard.url(title), title)
    try:
        said = await link.request(subject, json.dumps(body).encode())
    finally:
        await link.close()
    assert said is not None
    found: dict[str, Any] = json.loads(said.data)
    return found


def entry(bucket: str, namespace: str, digest: str) -> str:
    return f"$O.{bucket}.M.{namespace}.{urlsafe_b64encode(digest.encode()).decode()}"


def asking(bucket: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what somebody tries who wants the contents of others: where, and with what."""
    stream, theirs = f"OBJ_{bucket}", f"$O.{bucket}.C.other.*"
    create = f"$JS.API.CONSUMER.CREATE.{stream}"
    consumer = {"stream_name": stream, "config": {"name": "x", "ack_policy": "none"}}

    def over(*filters: str) -> dict[str, Any]:
        return {**consumer, "config": {**consumer["config"], "filter_subjects": filters}}  # type: ignore[dict-item]  # JSON

    return {
        "store a chunk": (f"$O.{bucket}.C.other.n1", {}),
        "store an entry": (f"$O.{bucket}.M.other.d1", {}),
        "store for all": (f"$O.{bucket}.M.d1", {}),
        "read by sequence": (f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": 1}),
        "read by subject": (f"$JS.API.STREAM.MSG.GET.{stream}", {"last_by_subj": theirs}),
        "read directly": (f"$JS.API.DIRECT.GET.{stream}", {"seq": 1, "next_by_subj": theirs, "batch": 8}),
        "read directly by subject": (f"$JS.API.DIRECT.GET.{stream}.{theirs}", {}),
        "read by a consumer": (f"{create}.x.{theirs}", over(theirs)),
        "read by a consumer of all": (f"{create}.x.$O.{bucket}.>", over(f"$O.{bucket}.>")),
        "read by a consumer without a filter": (f"{create}.x", consumer),
        "read by a consumer of several": (f"{create}.x", over(f"$O.{bucket}.C.acme.*", theirs)),
        "read by a durable consumer": (f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.x", over(theirs)),
        "list names": (f"$JS.API.STREAM.INFO.{stream}", {"subjects_filter": f"$O.{bucket}.M.>"}),
        "list consumers": (f"$JS.API.CONSUMER.LIST.{stream}", {}),
        "delete by subject": (f"$JS.API.STREAM.PURGE.{stream}", {"filter": theirs}),
        "delete by sequence": (f"$JS.API.STREAM.MSG.DELETE.{stream}", {"seq": 1}),
        "delete all": (f"$JS.API.STREAM.DELETE.{stream}", {}),
    }


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("what", asking(""))
async def test_contents_of_others_are_refused_whoever_asks_and_however(
    guard: Guarded, digest: str, bucket: str, what: str
) -> None:
    with pytest.raises(PermissionDeniedError):
        await request(guard, "client-acme", *asking(bucket)[what])

    assert await (await guard.connect("admin")).fetch(bucket, "other", digest) == THEIRS


@pytest.mark.parametrize("bucket", BUCKETS)
async def test_a_consumer_reads_no_more_than_the_subject_says_that_creates_it(guard: Guarded, bucket: str) -> None:
    mine = f"$O.{bucket}.C.acme.*"
    for theirs in ({"filter_subject": f"$O.{bucket}.C.other.*"}, {"filter_subjects": [mine, f"$O.{bucket}.C.other.*"]}):
        body = {"stream_name": f"OBJ_{bucket}", "config": {"name": "x", "ack_policy": "none", **theirs}}
        made = await request(guard, "client-acme", f"$JS.API.CONSUMER.CREATE.OBJ_{bucket}.x.{mine}", body)

        assert made["error"]["code"] == 400


async def test_a_client_stores_and_fetches_what_is_its_own(guard: Guarded) -> None:
    client, generator = await guard.connect("client-acme"), await guard.connect("generator")
    for content in (b"", b"hello", MANY_CHUNKS):
        digest = await client.put(subjects.SNAPSHOTS, "acme", content)
        result = await generator.put(subjects.ARTIFACTS, "acme", content)

        assert await generator.fetch(subjects.SNAPSHOTS, "acme", digest) == content
        assert await client.fetch(subjects.SNAPSHOTS, "acme", digest) == content
        assert await client.fetch(subjects.ARTIFACTS, "acme", result) == content


async def test_what_others_have_stored_is_not_found_by_its_digest(guard: Guarded, digest: str) -> None:
    client = await guard.connect("client-acme")
    for bucket in BUCKETS:
        with pytest.raises(BlobNotFoundError):
            await client.fetch(bucket, "acme", digest)
        with pytest.raises(PermissionDeniedError):
            await client.fetch(bucket, "other", digest)


async def test_what_earlier_versions_have_stored_for_all_is_not_for_a_client_of_one_namespace(
    guard: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_SHARED_CONTENTS", "1")
    earlier = await guard.connect("generator")
    monkeypatch.delenv("TESTWRIGHT_SHARED_CONTENTS")
    digest = await earlier.put(subjects.ARTIFACTS, "acme", b"stored for all")

    with pytest.raises(BlobNotFoundError):
        await (await guard.connect("client-acme")).fetch(subjects.ARTIFACTS, "acme", digest)

    assert await (await guard.connect("verifier")).fetch(subjects.ARTIFACTS, "acme", digest) == b"stored for all"


async def test_a_forged_entry_leads_a_worker_to_no_content_of_others(guard: Guarded, digest: str) -> None:
    admin, worker = await guard.connect("admin"), await guard.connect("generator")
    bucket = subjects.SNAPSHOTS
    theirs = await admin.last(f"OBJ_{bucket}", entry(bucket, "other", digest))
    assert theirs is not None
    known = json.loads(theirs.data)
    client = await guard.connect("client-acme")

    await told(client, entry(bucket, "acme", digest), theirs.data)
    with pytest.raises(BlobNotFoundError):
        await worker.fetch(bucket, "acme", digest)

    for elsewhere in (f"other.{known['nuid']}", ">", "*"):
        await told(client, entry(bucket, "acme", digest), json.dumps({**known, "nuid": elsewhere}).encode())
        with pytest.raises(BlobCorruptError):
            await worker.fetch(bucket, "acme", digest)

    assert await worker.fetch(bucket, "other", digest) == THEIRS
