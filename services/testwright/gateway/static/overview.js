// What there is now: tasks by state, as filters, who works on them, and what waits.

import { clock, counted, h, show } from "./dom.js";
import { at } from "./pacing.js";
import { read, refine, toTask, toView } from "./route.js";
import { STATES } from "./store.js";
import { waits } from "./waiting.js";

const MAX_WORKERS = 12;

export class Overview {
  constructor(store, { tiles, workers, waits }) {
    this.store = store;
    this.workers = workers;
    this.waits = waits;
    this.callOff = () => {};
    this.tiles = new Map(
      ["", ...STATES].map((state) => {
        const number = h("strong", {}, "0");
        const button = h(
          "button",
          { type: "button", class: "tile", data: { state: state || "all" }, onclick: () => this.#choose(state) },
          number,
          h("span", {}, state || "all"),
        );
        return [state, { button, number }];
      }),
    );
    show(tiles, ...[...this.tiles.values()].map((tile) => tile.button));
  }

  draw({ view, filter }) {
    for (const [state, { button, number }] of this.tiles) {
      number.textContent = state ? (this.store.counts.get(state) ?? 0) : this.store.tasks.size;
      button.setAttribute("aria-pressed", view === "tasks" && (filter.state ?? "") === state);
    }
    this.#drawWorkers();
    this.#drawWaits();
  }

  #choose(state) {
    if (read().view !== "tasks") location.hash = toView("tasks", { state });
    else refine({ state });
  }

  #drawWaits() {
    const { lanes, tries, schedules, letters } = waits(this.store);
    const some = (rows, noun, plural) => rows.length ? h("a", { class: "chip", href: toView("waiting") }, counted(rows.length, noun, plural)) : null;
    const resting = lanes.map((row) => h("span", { class: "chip", data: { state: "paused" } }, h("b", {}, row.name), ` rests until ${clock(row.until)}`));
    const told = [...resting, some(tries, "try to come", "tries to come"), some(schedules, "schedule"), some(letters, "dead letter")].filter(Boolean);
    this.waits.hidden = !told.length;
    show(this.waits, ...told);
    // That a lane is open again is a matter of the clock: nobody says so.
    this.callOff();
    if (lanes.length) this.callOff = at(Date.parse(lanes[0].until) + 1, () => dispatchEvent(new HashChangeEvent("hashchange")));
  }

  #drawWorkers() {
    const rank = (row) => (row.lost_at ? 0 : row.tasks.length ? 1 : 2);
    const rows = everywhere(this.store.workers.values()).sort(
      (one, other) => rank(one) - rank(other) || other.sequence - one.sequence,
    );
    const chips = rows.slice(0, MAX_WORKERS).map((row) => this.#chip(row));
    const more = rows.length - chips.length;
    show(
      this.workers,
      h("h2", {}, counted(rows.filter((row) => !row.lost_at).length, "worker")),
      ...chips,
      more > 0 ? h("span", { class: "hushed" }, `and ${more} more`) : null,
    );
  }

  #chip(row) {
    const state = row.lost_at ? "lost" : row.tasks.length ? "busy" : "idle";
    const tasks = row.tasks.map(([namespace, id]) => this.store.task(id, namespace)).filter(Boolean);
    return h(
      "span",
      { class: "chip worker", data: { worker: row.name, role: row.role, state } },
      `${row.role} `,
      h("b", {}, row.name),
      " ",
      state === "lost" ? `lost at ${clock(row.lost_at)}, its work went to ${row.lost_to}` : state === "idle" ? "idle" : "",
      ...tasks.flatMap((task, at) => [at ? ", " : "", h("a", { href: toTask(task) }, task.module)]),
    );
  }
}

/** Workers by role and name: one that works for several namespaces has a row in each of them. */
function everywhere(rows) {
  const found = new Map();
  for (const row of rows) {
    const tasks = row.tasks.map((id) => [row.namespace, id]);
    const who = `${row.role} ${row.name}`;
    const before = found.get(who);
    if (!before) found.set(who, { ...row, tasks });
    else {
      const newest = before.sequence < row.sequence ? row : before;
      found.set(who, { ...newest, tasks: [...before.tasks, ...tasks] });
    }
  }
  return [...found.values()];
}
