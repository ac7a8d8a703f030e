// What the page knows: rows of tasks, workers, runs and of what waits, as the gateway streams them. The browser comes again by itself
// when the stream breaks, and says how far it was; the gateway then sends the rows that have changed since.

import { beforeNextPicture } from "./dom.js";
import { at } from "./pacing.js";

export const STATES = ["queued", "running", "verifying", "waiting", "completed", "failed", "cancelled"];

const PATIENCE = 20_000; // milliseconds until the stream that was asked for begins

const TABLES = ["workers", "runs", "lanes", "letters", "schedules"];

export const key = (row) => [row.namespace, row.role, row.id ?? row.name].filter(Boolean).join("/");
export const ended = (row) => ["completed", "failed", "cancelled"].includes(row.state);

export class Store {
  tasks = new Map();
  workers = new Map();
  runs = new Map();
  lanes = new Map();
  letters = new Map();
  schedules = new Map();
  counts = new Map();
  order = []; // tasks, newest first
  sequence = 0;
  resets = 0;
  link = "connecting";
  #listeners = new Set();
  #source = null;
  #callOff = () => {};
  #sorted = true;
  #tell = beforeNextPicture(() => {
    this.#sort();
    for (const listener of this.#listeners) listener();
  });

  /** Have a function called whenever something has changed, at most once a picture. */
  listen(listener) {
    this.#listeners.add(listener);
    this.#tell();
  }

  /** Follow the board from its beginning; `refused` is called where the browser does not come again by itself. */
  connect(refused) {
    this.#source?.close();
    const source = (this.#source = new EventSource("/api/v1/board"));
    // A browser waits for an answer for ever.
    const expect = () => {
      this.#callOff();
      this.#callOff = at(Date.now() + PATIENCE, () => this.connect(refused));
    };
    expect();
    source.addEventListener("open", () => {
      this.#callOff();
      this.#linked("live");
    });
    source.addEventListener("error", () => {
      const closed = source.readyState === EventSource.CLOSED;
      this.#linked(closed ? "closed" : "reconnecting");
      if (!closed) return expect();
      this.#callOff();
      refused();
    });
    source.addEventListener("change", (event) => this.#apply(JSON.parse(event.data)));
  }

  /** Return the task of an id, in a namespace or in whichever has it. */
  task(id, namespace) {
    if (namespace) return this.tasks.get(`${namespace}/${id}`);
    return this.order.find((row) => row.id === id);
  }

  /** Tasks that wait for another try. */
  get tries() {
    return this.order.filter((row) => row.retry_at);
  }

  get namespaces() {
    return [...new Set(this.order.map((row) => row.namespace))].sort();
  }

  #linked(state) {
    this.link = state;
    this.#tell();
  }

  #apply(change) {
    if (change.reset) {
      this.resets += 1;
      for (const table of [this.tasks, this.counts, ...TABLES.map((name) => this[name])]) table.clear();
    }
    for (const row of change.tasks) this.#put(row);
    for (const name of TABLES) for (const row of change[name]) this[name].set(key(row), row);
    this.sequence = change.sequence;
    this.#tell();
  }

  #put(row) {
    const before = this.tasks.get(key(row));
    if (before) this.counts.set(before.state, this.counts.get(before.state) - 1);
    this.counts.set(row.state, (this.counts.get(row.state) ?? 0) + 1);
    this.tasks.set(key(row), row);
    this.#sorted = false;
  }

  #sort() {
    if (this.#sorted) return;
    const age = (row) => `${row.created_at} ${row.id}`;
    this.order = [...this.tasks.values()].sort((one, other) => (age(one) < age(other) ? 1 : -1));
    this.#sorted = true;
  }
}
