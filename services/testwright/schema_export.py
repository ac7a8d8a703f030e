"""The only place that turns our messages into JSON Schema and AsyncAPI documents, for services in any language."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from testwright import json_schema
from testwright.gateway import openapi
from testwright.verification.report import Report
from testwright_schemas import (
    PRIORITIES,
    Attempt,
    AttemptFailed,
    AttemptStarted,
    CancelTasks,
    CancelWorkflow,
    CommandMessage,
    ContentMessage,
    EventMessage,
    GateMoved,
    GenerateSuite,
    JobFinished,
    JobProgressed,
    JobRejected,
    JobSubmitted,
    LanePaused,
    LimitsSet,
    Message,
    MessageDeadLettered,
    ModuleTaken,
    Policy,
    Record,
    RunWorkflow,
    ScheduleCommand,
    ScheduleDue,
    ScheduleMessage,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskJoined,
    TaskMessage,
    TaskProgressed,
    TaskQueued,
    TaskSubmitted,
    TimerFired,
    VerifySuite,
    WorkflowCancelRequested,
    WorkflowCommand,
    WorkflowMessage,
    WorkItem,
    WorkMessage,
    subjects,
)

VERSION = "1.0.0"
"""Of the messages, not of the package: a change that old readers cannot take makes it 2."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"

Messages = tuple[type[Message], ...]

_SUBMITTED: Messages = (*get_args(CommandMessage), *get_args(ScheduleCommand))
_COMMANDS: Messages = (*_SUBMITTED, *get_args(WorkflowCommand))
_EVENTS: Messages = get_args(EventMessage)
_TIMERS: Messages = (TimerFired, ScheduleDue)
_DECIDED: Messages = tuple(kind for kind in get_args(TaskMessage) if kind not in (AttemptStarted, TaskProgressed))
MESSAGES: Messages = (*_COMMANDS, *get_args(WorkMessage), *_EVENTS, *_TIMERS)
"""Every message that travels."""

SENDS: dict[str, Messages] = {
    "client": (*_COMMANDS, LimitsSet),
    "submitter": (
        JobSubmitted,
        JobRejected,
        TaskSubmitted,
        TaskCancelRequested,
        TaskFinished,
        *get_args(ContentMessage),
        *get_args(ScheduleMessage),
        ScheduleDue,
        MessageDeadLettered,
    ),
    "generator": (AttemptStarted, TaskProgressed, SuiteGenerated, AttemptFailed, LanePaused, MessageDeadLettered),
    "verifier": (TaskProgressed, SuiteVerified, AttemptFailed, MessageDeadLettered),
    "collector": (
        GenerateSuite,
        VerifySuite,
        TaskFinished,
        JobProgressed,
        JobFinished,
        *(GateMoved, TaskQueued, TimerFired, MessageDeadLettered),
    ),
    "workflow": (*get_args(WorkflowMessage), CancelTasks, MessageDeadLettered),
}
"""What each role says."""

RECEIVES: dict[str, Messages] = {
    "client": _EVENTS,
    "submitter": (*_SUBMITTED, TaskFinished, TaskJoined, ModuleTaken, LimitsSet, ScheduleDue),
    "generator": (GenerateSuite, LanePaused),
    "verifier": (VerifySuite,),
    "collector": (*_DECIDED, GateMoved, LimitsSet, MessageDeadLettered, TimerFired),
    "workflow": (RunWorkflow, CancelWorkflow, JobFinished, JobRejected, WorkflowCancelRequested),
}
"""What each role acts on."""

_PARAMETERS: dict[str, dict[str, Any]] = {
    "namespace": {"description": "Keeps teams apart on one server.", "default": "default"},
    "job_id": {"description": "Id of the job, made by the client."},
    "task_id": {"description": "Id of the task, made by the client."},
    "run_id": {"description": "Id of the workflow run."},
    "stage": {"description": "Name of a stage of the run's plan."},
    "schedule_id": {"description": "Id of the schedule, made by the client."},
    "content": {"description": "Digest of a module, its project and what is asked for."},
    "module": {"description": "Digest of a project's name and a module's path."},
    "source_id": {"description": "Id of the task that does the work."},
    "letter_id": {"description": "Id of the dead letter."},
    "engine": {"description": "Name of the engine."},
    "gate": {"description": "Id of the job, or the namespace again."},
    "lane": {"description": "Name of the engine whose attempts wait."},
    "priority": {"description": "Class of the queue, highest first.", "enum": list(PRIORITIES)},
    "attempt": {"description": "Number of the attempt; 0 for a deadline."},
    "kind": {
        "description": "What a timer is for, or whose gate it is.",
        "enum": ["deadline", "retry", "job", "namespace"],
    },
}


def tag(type_: type[Message]) -> str:
    """Return what a message says in its ``type`` field."""
    return str(type_.__struct_config__.tag)


def json_schemas() -> dict[str, Any]:
    """Return a JSON Schema (2020-12) for each message by its tag, complete in itself."""
    return {tag(type_): _json_schema(type_, tag(type_)) for type_ in MESSAGES}


def document_schemas() -> dict[str, Any]:
    """Return a JSON Schema for each document that is stored rather than sent, by its name."""
    return {"report": _json_schema(Report, "report")}


def _json_schema(type_: type[Record], name: str) -> dict[str, Any]:
    definitions = json_schema.definitions((type_,), "#/$defs/{name}")
    top: dict[str, Any] = definitions.pop(type_.__name__)
    head = {"$schema": DIALECT, "$id": f"urn:testwright:v{VERSION[0]}:{name}"}
    return head | top | ({"$defs": definitions} if definitions else {})


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: a channel for every subject, an operation for whoever sends or receives there.

    Payloads refer to the files of ``json_schemas`` in the folder ``json`` beside it.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "testwright",
            "version": VERSION,
            "description": "Commands, work and events of testwright on NATS JetStream, as JSON in CloudEvents 1.0 "
            "(binary mode). Publish with the header Nats-Msg-Id; deliveries may repeat.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "localhost:4222",
                "protocol": "nats",
                "description": "Any NATS server with JetStream, 2.12 or later.",
                "bindings": {"nats": {}},
            }
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "messages": {tag(type_): _message(type_) for type_ in MESSAGES},
            "schemas": {"headers": _headers()},
        },
    }


def write(directory: Path) -> None:
    """Write ``json/<tag>.json`` for each message, others for documents, AsyncAPI and OpenAPI into a folder."""
    folder = directory / "json"
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in (json_schemas() | document_schemas()).items():
        (folder / f"{name}.json").write_bytes(pretty(schema))
    (directory / "asyncapi.json").write_bytes(pretty(asyncapi()))
    (directory / "openapi.json").write_bytes(pretty(openapi.document()))


def pretty(document: Any) -> bytes:
    """Return a document as it is written: indented JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _channels() -> Iterator[tuple[str, dict[str, Any]]]:
    for type_ in MESSAGES:
        for name, address in _addresses(type_).items():
            used = re.findall(r"{(\w+)}", address)
            yield (
                name,
                {
                    "address": address,
                    "messages": {tag(type_): {"$ref": f"#/components/messages/{tag(type_)}"}},
                    "parameters": {parameter: _PARAMETERS[parameter] for parameter in used},
                },
            )


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for action, roles in (("send", SENDS), ("receive", RECEIVES)):
        for role, types in roles.items():
            for type_ in types:
                # A timer is set on one subject and comes due on another; elsewhere there is only one.
                channel = list(_addresses(type_))[0 if action == "send" else -1]
                yield (
                    f"{role}-{action}s-{tag(type_)}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{channel}"},
                        "messages": [{"$ref": f"#/channels/{channel}/messages/{tag(type_)}"}],
                        "tags": [{"name": role}],
                    },
                )


def _addresses(type_: type[Message]) -> dict[str, str]:
    """Return the channels of a message: names, and subjects with ``{parameters}``."""
    blank: Any = _blank(type_)
    if type_ in _TIMERS:
        setting, due = subjects.timer(blank)
        kind = "timer" if type_ is TimerFired else "schedule"
        return {f"{kind}-set": setting, f"{kind}-due": due}
    spell: Any = subjects.command if type_ in _COMMANDS else subjects.event if type_ in _EVENTS else subjects.work
    return {tag(type_): spell(blank)}


def _blank(type_: type[Message]) -> Message:
    """Return a message whose every field reads as the placeholder of itself, which structs do not object to."""
    fields: dict[str, Any] = {field.name: f"{{{field.name}}}" for field in msgspec.structs.fields(type_)}
    if issubclass(type_, WorkItem):
        priority: Any = "{priority}"
        number: Any = "{attempt}"
        fields |= {"attempt": Attempt(number=number, engine="{engine}"), "policy": Policy(priority=priority)}
    return type_(**fields)


def _message(type_: type[Message]) -> dict[str, Any]:
    kind = {"type": "object", "properties": {"ce-type": {"const": f"testwright.{tag(type_)}"}}}
    return {
        "name": tag(type_),
        "title": type_.__name__,
        "summary": inspect.getdoc(type_),
        "headers": {"allOf": [{"$ref": "#/components/schemas/headers"}, kind]},
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./json/{tag(type_)}.json"}},
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    properties: dict[str, Any] = {
        "content-type": {"const": "application/json"},
        "ce-specversion": {"const": "1.0"},
        "ce-id": text | {"description": "The same as Nats-Msg-Id: made from what the message says."},
        "ce-type": text,
        "ce-source": text | {"description": "Who sends it, e.g. /testwright/collector."},
        "ce-subject": text | {"description": "The subject it is sent on."},
        "ce-time": {"type": "string", "format": "date-time"},
        "traceparent": {"type": "string", "description": "W3C trace context of the cause."},
    }
    optional: dict[str, Any] = {
        "Nats-Msg-Id": text | {"description": "A message is stored once for each id."},
        "testwright-event": text | {"description": "Digest of a task's event; elsewhere, of the one that led to it."},
    }
    return {"type": "object", "properties": properties | optional, "required": list(properties)}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
