// What there is now: tasks by state, as filters, and who works on them.

import { clock, counted, h, show } from "./dom.js";
import { refine, toTask, toView } from "./route.js";
import { STATES } from "./store.js";

const MAX_WORKERS = 12;

export class Overview {
  constructor(store, tiles, workers) {
    this.store = store;
    this.workers = workers;
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
  }

  #choose(state) {
    if (location.hash.startsWith("#/jobs") || location.hash.startsWith("#/runs")) location.hash = toView("tasks", { state });
    else refine({ state });
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
      { class: "worker", data: { worker: row.name, state } },
      h("b", {}, row.name),
      " ",
      state === "lost" ? `lost at ${clock(row.lost_at)}, its work went to ${row.lost_to}` : state === "idle" ? "idle" : "",
      ...tasks.flatMap((task, at) => [at ? ", " : "", h("a", { href: toTask(task) }, task.module)]),
    );
  }
}

/** Workers by name: one that works for several namespaces has a row in each of them. */
function everywhere(rows) {
  const found = new Map();
  for (const row of rows) {
    const tasks = row.tasks.map((id) => [row.namespace, id]);
    const before = found.get(row.name);
    if (!before) found.set(row.name, { ...row, tasks });
    else {
      const newest = before.sequence < row.sequence ? row : before;
      found.set(row.name, { ...newest, tasks: [...before.tasks, ...tasks] });
    }
  }
  return [...found.values()];
}
