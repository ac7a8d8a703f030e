"""What roles may do, as far as no server is needed to see it."""

import json
from pathlib import Path

import pytest

from testwright.bus._filters import compile_filters, cover
from testwright.bus.topology import declare
from testwright.permissions import ROLES, Rights, Role, as_configured, inbox, rights
from testwright.schema_export import MESSAGES, tag
from testwright.voice import address
from testwright_schemas import CommandMessage, EventMessage, LimitsSet, Message, WorkMessage, envelope, subjects

GOLDEN = Path(__file__).parents[1] / "golden" / "messages" / "v1"
ENGINES = ("echo", "scripted")
ACTORS: tuple[Role, ...] = ("submitter", "generator", "verifier", "collector", "workflow")
SAID = CommandMessage | EventMessage | WorkMessage


def may(role: Role, subject: str, namespace: str = "*") -> bool:
    return grants(rights(role, ENGINES, namespace), subject)


def grants(granted: Rights, subject: str) -> bool:
    denied = granted.never and compile_filters(granted.never).fullmatch(subject)
    return not denied and compile_filters(granted.publish).fullmatch(subject) is not None


@pytest.mark.parametrize("type_", [each for each in MESSAGES if issubclass(each, SAID)], ids=tag)
def test_everything_that_can_be_said_is_said_by_somebody(type_: type[Message]) -> None:
    message = envelope.decode((GOLDEN / f"{tag(type_)}.json").read_bytes(), type_)
    place = address(message)  # type: ignore[arg-type]  # of those that are said

    speakers = [role for role in ROLES if role != "admin" and may(role, place)]

    assert bool(speakers) is (type_ is not LimitsSet), "limits are for the admin"


@pytest.mark.parametrize("consumer", declare(ENGINES).consumers, ids=lambda consumer: consumer.name)
def test_every_queue_is_emptied_by_one_role(consumer: object) -> None:
    stream, name = getattr(consumer, "stream", ""), getattr(consumer, "name", "")
    takers: list[Role] = [role for role in ACTORS if may(role, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}")]

    assert len(takers) == 1
    assert may(takers[0], f"$JS.ACK.{stream}.{name}.1.2.3.4.5")


@pytest.mark.parametrize("consumer", declare(ENGINES).consumers, ids=lambda consumer: consumer.name)
@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_nobody_but_the_admin_changes_a_durable_consumer(role: Role, consumer: object) -> None:
    stream, name = getattr(consumer, "stream", ""), getattr(consumer, "name", "")
    created = f"$JS.API.CONSUMER.CREATE.{stream}.{name}"

    assert not may(role, created)
    assert not any(may(role, f"{created}.{scope}") for scope in (subjects.EVENTS_ALL, "testwright.event.default.>"))


def test_actors_together_may_do_what_each_may_and_what_none_may_they_may_not() -> None:
    granted = [rights(role, ENGINES) for role in ACTORS]
    together = sum(granted, Rights())
    said = {subject.replace("*", "x").replace(">", "x") for each in granted for subject in each.publish}
    created = [f"$JS.API.CONSUMER.CREATE.{each.stream}.{each.name}" for each in declare(ENGINES).consumers]

    assert {subject for subject in said if not grants(together, subject)} == {
        subject for subject in said if not any(grants(each, subject) for each in granted)
    }
    assert grants(together, "testwright.timer.set.x.x.schedule")  # which a collector alone may not
    assert not any(grants(together, subject) for subject in (*created, "$JS.API.STREAM.DELETE.TESTWRIGHT_EVENTS"))


def test_a_generator_serves_the_engines_that_it_was_made_for() -> None:
    pull = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.WORK}"

    assert may("generator", f"{pull}.generate-scripted-high")
    assert not may("generator", f"{pull}.generate-pynguin-high")


def test_each_role_hears_answers_in_an_inbox_of_its_own() -> None:
    inboxes = {as_configured(rights(role, ENGINES), inbox(role))["subscribe"]["allow"][0] for role in ROLES}

    assert len(inboxes) == len(ROLES)


def test_rights_are_plain_json() -> None:
    granted = as_configured(rights("generator", ENGINES), "_INBOX_generator")

    assert json.loads(json.dumps(granted)) == granted


@pytest.mark.parametrize(
    ("filters", "covering"),
    [
        (["a.b.c"], "a.b.c"),
        (["a.b.c", "a.d.c"], "a.*.c"),
        (["a.b.c", "a.b.c.d"], "a.b.>"),
        (["a.b.>", "a.b.c.d"], "a.b.>"),
        (["a.*.c", "a.b.c"], "a.*.c"),
        (["x.>", "a.b"], "*.>"),
        (["a", ">"], ">"),
    ],
)
def test_one_filter_covers_several(filters: list[str], covering: str) -> None:
    assert cover(filters) == covering
