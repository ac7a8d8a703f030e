// What has happened to one task: its events, as they come, and what they amount to.

import { spoken } from "./dom.js";

const took = (seconds) => (seconds ? `, ${spoken(seconds * 1000)}` : "");

const KINDS = [
  "task-submitted",
  "task-cancel-requested",
  "attempt-started",
  "task-progressed",
  "suite-generated",
  "suite-verified",
  "attempt-failed",
  "task-finished",
];

export class Story {
  events = [];
  last = {};

  /** Follow a task from its beginning; `changed` is called for each event. */
  constructor(task, changed) {
    const query = new URLSearchParams({ task: task.id, namespace: task.namespace });
    this.source = new EventSource(`/api/v1/events?${query}`);
    for (const kind of KINDS) {
      this.source.addEventListener(kind, (message) => {
        const event = JSON.parse(message.data);
        this.events.push(event);
        this.last[kind] = event;
        changed(event);
      });
    }
  }

  close() {
    this.source.close();
  }

  /** Verdicts on tests, as far as the last verification tells. */
  get verdicts() {
    const finished = this.last["task-finished"];
    return finished?.tests.length ? finished.tests : (this.last["suite-verified"]?.judgement.cases ?? []);
  }

  /** How many verdicts did not fit into the event. */
  get omitted() {
    const finished = this.last["task-finished"];
    return (finished?.tests.length ? finished.omitted : this.last["suite-verified"]?.judgement.omitted) ?? 0;
  }

  /** Files of the task, the newest of each name. */
  get artifacts() {
    const found = new Map();
    const add = (artifact) => artifact && found.set(artifact.digest, artifact);
    const { "suite-generated": generated, "attempt-failed": failed, "suite-verified": verified, "task-finished": finished } = this.last;
    add(generated?.candidate);
    for (const event of [generated, failed, verified]) add(event?.log);
    for (const artifact of verified?.judgement.files ?? []) add(artifact);
    add(verified?.judgement.report);
    for (const artifact of finished?.files ?? []) add(artifact);
    add(finished?.report);
    add(finished?.error?.log);
    return [...found.values()];
  }

  /** The log of the newest attempt that has one. */
  get log() {
    const logs = ["task-finished", "suite-verified", "attempt-failed", "suite-generated"].map((kind) => this.last[kind]);
    return logs.map((event) => event?.log ?? event?.error?.log).find(Boolean);
  }
}

/** The attempt that runs after an event: one that is followed by another without having ended was cut off. */
export function running(event, before) {
  if (event.type === "attempt-started") return event;
  return ["suite-generated", "attempt-failed", "task-finished"].includes(event.type) ? null : before;
}

/** An event in words: what, and what of it; `before` is the attempt that ran until then. */
export function said(event, before) {
  switch (event.type) {
    case "task-submitted":
      return ["submitted", `${event.policy.engines.join(", ")}; coverage ${event.policy.coverage} %, ${event.policy.priority}`];
    case "attempt-started": {
      const lost = before && before.worker !== event.worker ? `; ${before.worker} was lost` : "";
      const round = event.attempt.round > 1 ? `, round ${event.attempt.round}` : "";
      return [`attempt ${event.attempt.number}${round}`, `${event.attempt.engine} on ${event.worker}${lost}`];
    }
    case "task-progressed":
      return [event.phase, event.message];
    case "suite-generated":
      return ["generated", `${event.files.join(", ")}${took(event.usage.wall_s)}`];
    case "suite-verified": {
      const { cases, omitted, coverage } = event.judgement;
      const kept = cases.filter((one) => one.verdict === "kept").length;
      return ["verified", `${kept} of ${cases.length + omitted} tests kept${coverage ? `, ${Math.floor(coverage.line)} % of the lines` : ""}${took(event.judgement.wall_s)}`];
    }
    case "attempt-failed":
      return ["attempt failed", `${event.failure.cause}: ${event.failure.message}`];
    case "task-cancel-requested":
      return ["end asked for", event.reason];
    default:
      return [event.outcome ?? event.type, event.error ? `${event.error.cause}: ${event.error.message}` : ""];
  }
}
