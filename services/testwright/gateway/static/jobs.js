// Jobs: what was submitted together, and how far it is.

import { cancelJob } from "./api.js";
import { clock, counted, h, show, tell } from "./dom.js";
import { toView } from "./route.js";
import { ended, STATES } from "./store.js";

const MAX = 200;

export class Jobs {
  constructor(store) {
    this.store = store;
    this.element = h("div", { class: "scroll cards" });
  }

  focus() {
    this.element.querySelector("a")?.focus();
  }

  draw({ filter }) {
    const jobs = new Map();
    for (const row of this.store.order) {
      if (filter.namespace && row.namespace !== filter.namespace) continue;
      const name = `${row.namespace}/${row.job}`;
      const job = jobs.get(name) ?? { id: row.job, namespace: row.namespace, since: row.created_at, tasks: [] };
      job.tasks.push(row);
      jobs.set(name, job);
    }
    const shown = [...jobs.values()].slice(0, MAX);
    const cards = shown.map((job) => this.#card(job));
    const cut = jobs.size > MAX ? `, the newest ${MAX} below` : "";
    show(this.element, h("h2", {}, counted(jobs.size, "job") + cut), ...cards);
  }

  #card(job) {
    const done = job.tasks.filter(ended);
    const states = STATES.filter((state) => state !== "completed").map((state) => [job.tasks.filter((row) => row.state === state).length, state]);
    const open = done.length < job.tasks.length;
    const label = `${done.length} of ${counted(job.tasks.length, "task")} done` + states.filter(([number]) => number).map(([number, state]) => `, ${number} ${state}`).join("");
    return h(
      "article",
      { class: "card", data: { job: job.id } },
      h("h3", {}, h("a", { href: toView("tasks", { text: job.id, namespace: job.namespace }) }, job.id)),
      h("p", { class: "hushed" }, `${job.namespace}, submitted ${clock(job.since)}`),
      h("progress", { max: job.tasks.length, value: done.length, "aria-label": label }),
      h("p", {}, label),
      open ? h("button", { type: "button", onclick: () => this.#cancel(job) }, "Cancel job") : null,
    );
  }

  async #cancel(job) {
    await cancelJob(job).then(
      () => tell(`asked for the end of ${job.id}`),
      (error) => tell(error.message),
    );
  }
}
