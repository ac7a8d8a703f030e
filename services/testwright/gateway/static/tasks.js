// The list of tasks: search, filters, and one line a task.

import { clock, counted, h, percent, pill, spoken, text } from "./dom.js";
import { refine, toTask } from "./route.js";
import { key } from "./store.js";
import { VirtualList } from "./virtual.js";

const searched = (row) =>
  [row.module, row.id, row.job, row.engine, row.worker, row.message].join("\n").toLowerCase();

function fits(row, { state, module, namespace, text: words = "" }) {
  return (
    (!state || row.state === state) &&
    (!namespace || row.namespace === namespace) &&
    (!module || `${row.module}.`.startsWith(`${module}.`)) &&
    searched(row).includes(words.toLowerCase())
  );
}

/** When a task began to wait or to be worked on, or what it has taken. */
function time(row) {
  if (row.retry_at) return `again at ${clock(row.retry_at)}`;
  const begun = row.started_at ?? row.created_at;
  return row.completed_at ? `took ${spoken(Date.parse(row.completed_at) - Date.parse(begun))}` : `since ${clock(begun)}`;
}

function cells(row) {
  const doing = row.phase || row.state;
  const attempt = row.attempt > 1 ? `, attempt ${row.attempt}` : "";
  const missed = row.threshold_met === false && row.state === "completed";
  return [
    pill(row.state),
    h("span", { class: "module" }, row.module, h("small", {}, row.message || row.id)),
    h("span", { class: "doing" }, row.engine ?? "", h("small", {}, `${doing}${attempt}, ${time(row)}`)),
    h("span", { class: "number" }, row.tests === null ? "" : counted(row.tests, "test")),
    h(
      "span",
      { class: "number" },
      percent(row.coverage),
      row.coverage === null ? null : bar(row.coverage, missed ? "below" : "reached"),
      missed ? h("span", { class: "hushed" }, " below what was asked for") : null,
    ),
  ];
}

function bar(share, kind) {
  return h("span", { class: "bar", "aria-hidden": "true" }, h("span", { data: { kind }, style: { width: `${share}%` } }));
}

export class Tasks {
  constructor(store) {
    this.store = store;
    this.list = new VirtualList({
      label: "Tasks, newest first",
      keyOf: key,
      cells,
      open: (row) => (location.hash = toTask(row, this.filter)),
    });
    this.search = h("input", {
      id: "search",
      type: "search",
      placeholder: "Search module, id, engine, worker, message",
      "aria-label": "Search tasks",
      oninput: () => refine({ text: this.search.value }),
      onkeydown: (event) => event.key === "ArrowDown" && this.focus(),
    });
    this.namespace = h("select", {
      id: "namespace",
      "aria-label": "Namespace",
      onchange: () => refine({ namespace: this.namespace.value }),
    });
    this.module = h("input", {
      id: "module",
      type: "text",
      placeholder: "module",
      "aria-label": "Module or package",
      oninput: () => refine({ module: this.module.value }),
    });
    this.count = h("p", { class: "count", role: "status" });
    this.empty = h("p", { class: "empty" });
    this.element = h(
      "div",
      { class: "tasks" },
      h("div", { class: "filters", role: "search" }, this.search, this.module, this.namespace, this.count),
      this.list.element,
      this.empty,
    );
  }

  focus() {
    this.list.element.focus();
  }

  draw({ task, filter }) {
    this.filter = filter;
    for (const [input, value] of [[this.search, filter.text], [this.module, filter.module]]) {
      if (document.activeElement !== input) input.value = value ?? "";
    }
    this.#namespaces(filter.namespace ?? "");
    const all = this.store.order;
    const found = all.filter((row) => fits(row, filter));
    const selected = task && this.store.task(task.id, task.namespace);
    this.list.update(found, selected ? key(selected) : "");
    text(this.count, found.length === all.length ? counted(all.length, "task") : `${found.length} of ${counted(all.length, "task")}`);
    text(this.empty, found.length ? "" : all.length ? "No task fits." : "No tasks yet: testwright submit PATH");
  }

  #namespaces(chosen) {
    const names = ["", ...new Set([...this.store.namespaces, chosen])].filter((name, at) => name || !at);
    if ([...this.namespace.options].map((option) => option.value).join() !== names.join()) {
      this.namespace.replaceChildren(...names.map((name) => h("option", { value: name }, name || "all namespaces")));
    }
    this.namespace.value = chosen;
  }
}
