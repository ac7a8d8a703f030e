// Workflow runs: each a timeline of its stages that moves while it runs. The browser moves it; nothing is asked.

import { cancelRun } from "./api.js";
import { clock, counted, h, pill, show, spoken, tell } from "./dom.js";
import { toView } from "./route.js";

const at = (moment) => Date.parse(moment);

/** When a stage begins to count, and when it ends: collecting counts from when there was something to collect. */
function span(stage, now) {
  if (!stage.started_at) return null;
  return [Math.max(at(stage.started_at), at(stage.ready_at) || 0), stage.completed_at ? at(stage.completed_at) : now];
}

/** The chain of stages that has taken longest so far; the gateway tells the final one. */
export function criticalPath(run, now) {
  if (run.completed_at) return run.critical_path;
  const longest = new Map();
  for (const stage of run.stages) {
    const needs = stage.needs.map((name) => longest.get(name)).filter(Boolean);
    const before = needs.reduce((one, other) => (other.taken > one.taken ? other : one), { chain: [], taken: 0 });
    const [begin, end] = span(stage, now) ?? [0, 0];
    longest.set(stage.name, { chain: [...before.chain, ...(end > begin ? [stage.name] : [])], taken: before.taken + end - begin });
  }
  return [...longest.values()].reduce((one, other) => (other.taken > one.taken ? other : one), { chain: [], taken: -1 }).chain;
}

export class Runs {
  constructor(store) {
    this.store = store;
    this.element = h("div", { class: "scroll cards" });
    this.drawn = new Map();
  }

  focus() {
    this.element.querySelector("a, button")?.focus();
  }

  draw({ filter }) {
    const rows = [...this.store.runs.values()]
      .filter((run) => !filter.namespace || run.namespace === filter.namespace)
      .sort((one, other) => (one.started_at < other.started_at ? 1 : -1));
    const before = this.drawn;
    this.drawn = new Map(
      rows.map((run) => [run.id, before.get(run.id)?.run === run ? before.get(run.id) : { run, card: this.#card(run) }]),
    );
    const cards = [...this.drawn.values()].map(({ card }) => card);
    show(this.element, h("h2", {}, counted(rows.length, "workflow run")), ...cards);
  }

  #card(run) {
    const now = Date.now();
    const begin = at(run.started_at);
    const end = run.completed_at ? at(run.completed_at) : now;
    const horizon = run.completed_at ? Math.max(end - begin, 1) : Math.max((now - begin) * 1.5, 10_000);
    const path = criticalPath(run, now);
    const place = (moment) => `${Math.min(100, ((moment - begin) / horizon) * 100)}%`;
    return h(
      "article",
      { class: "card run", data: { run: run.id } },
      h("h3", {}, run.name, " ", pill(run.state), " ", h("small", {}, run.id)),
      h("p", { class: "hushed" }, `began ${clock(run.started_at)}`, run.completed_at ? `, took ${spoken(end - begin)}` : "", run.message ? `: ${run.message}` : ""),
      h("ol", { class: "stages" }, run.stages.map((stage) => this.#stage(stage, { now, horizon, begin, place, path }))),
      h("p", {}, path.length ? `Critical path: ${path.join(" → ")}` : "", run.savings_ms ? `. Side by side saved ${spoken(run.savings_ms)}.` : ""),
      run.completed_at ? null : h("button", { type: "button", onclick: () => this.#cancel(run) }, "Cancel run"),
    );
  }

  #stage(stage, { now, horizon, begin, place, path }) {
    const [from, to] = span(stage, now) ?? [null, null];
    const critical = path.includes(stage.name);
    const bar = from === null ? null : h("span", { class: "stretch", data: { state: stage.state, critical }, style: { left: place(from), width: place(to - from + begin) } });
    if (bar && !stage.completed_at) this.#move(bar, place(to - from + begin), place(begin + horizon - (from - begin)), begin + horizon - now);
    const words = [stage.state, from === null ? "" : spoken(to - from), critical ? "on the critical path" : "", stage.message];
    return h(
      "li",
      { data: { stage: stage.name } },
      h("span", { class: "stage" }, stage.name),
      h("span", { class: "track", "aria-hidden": "true" }, bar),
      h("span", { class: "hushed" }, words.filter(Boolean).join(", "), stage.job ? [" ", h("a", { href: toView("tasks", { text: stage.job }) }, "tasks")] : null),
    );
  }

  /** Let a bar grow as time does, and draw anew when it has reached the end of its track. */
  #move(bar, from, to, milliseconds) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const growth = bar.animate([{ width: from }, { width: to }], { duration: milliseconds, fill: "forwards" });
    growth.onfinish = () => {
      this.drawn.clear();
      if (bar.isConnected) dispatchEvent(new HashChangeEvent("hashchange"));
    };
  }

  async #cancel(run) {
    await cancelRun(run).then(
      () => tell(`asked for the end of ${run.id}`),
      (error) => tell(error.message),
    );
  }
}
