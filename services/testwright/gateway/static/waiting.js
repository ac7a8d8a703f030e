// What waits: lanes that a provider wants to be left alone on, tries and submissions to come, and dead letters.

import { clock, counted, h, show, spoken } from "./dom.js";
import { toTask, toView } from "./route.js";

const MAX = 100; // of each kind

const by = (field) => (one, other) => (field(one) < field(other) ? -1 : 1);

/** What waits now, what comes first at the top, of a namespace or of all. */
export function waits(store, namespace) {
  const now = Date.now();
  const of = (table) => [...table.values()].filter((row) => !namespace || row.namespace === namespace);
  return {
    lanes: of(store.lanes).filter((row) => Date.parse(row.until) > now).sort(by((row) => row.until)),
    tries: store.tries.filter((row) => !namespace || row.namespace === namespace).sort(by((row) => row.retry_at)),
    schedules: of(store.schedules).filter((row) => row.status.state === "waiting").sort(by((row) => row.status.next_at ?? "")),
    letters: of(store.letters).sort(by((row) => -row.sequence)),
  };
}

export class Waiting {
  constructor(store) {
    this.store = store;
    this.element = h("div", { class: "scroll cards" });
  }

  focus() {
    this.element.querySelector("a")?.focus();
  }

  draw({ filter }) {
    const { lanes, tries, schedules, letters } = waits(this.store, filter.namespace);
    show(
      this.element,
      part("Paused lanes", lanes, lane, "Every engine may begin."),
      part("Tries to come", tries, attempt, "No failed attempt waits to be tried again."),
      part("Schedules", schedules, schedule, "Nothing is scheduled."),
      part("Dead letters", letters, letter, "Every message was handled."),
    );
  }
}

function part(name, rows, line, otherwise) {
  const id = `waiting-${name.split(" ")[0].toLowerCase()}`;
  const more = rows.length - MAX;
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    h("h3", { id }, rows.length ? `${name}: ${rows.length}` : name),
    rows.length ? h("ul", { class: "waiting" }, rows.slice(0, MAX).map((row) => h("li", {}, line(row)))) : h("p", { class: "hushed" }, otherwise),
    more > 0 ? h("p", { class: "hushed" }, `and ${more} more`) : null,
  );
}

const small = (...words) => h("small", {}, words.filter(Boolean).join(", "));

function lane(row) {
  return [h("b", {}, row.name), ` rests until ${clock(row.until)} `, small(row.namespace, row.reason)];
}

function attempt(row) {
  return [h("a", { href: toTask(row) }, row.module), ` again at ${clock(row.retry_at)} `, small(row.namespace, row.message)];
}

function schedule({ id, namespace, status }) {
  const { at: once, every_s: every, cron, time_zone: zone } = status.timetable;
  const when = once ? "once" : every ? `every ${spoken(every * 1000)}` : `${cron} (${zone})`;
  const last = status.last_job ? [", last ", h("a", { href: toView("tasks", { text: status.last_job, namespace }) }, status.last_job)] : [];
  const what = status.modules.length > 3 ? counted(status.modules.length, "module") : status.modules.join(", ");
  return [h("b", {}, id), ` next at ${clock(status.next_at)} `, small(namespace, when, what), ...last];
}

function letter(row) {
  const task = row.task ? [" ", h("a", { href: toTask({ namespace: row.namespace, id: row.task }) }, row.task)] : [];
  return [h("b", {}, row.id), ` ${row.reason} `, small(row.namespace, clock(row.at), row.resent_at ? `sent again at ${clock(row.resent_at)}` : "", row.subject, `${counted(row.deliveries, "delivery", "deliveries")} to ${row.consumer}`), ...task];
}
