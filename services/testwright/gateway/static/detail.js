// One task: where it stands, what has happened to it, its tests, its source, its log and its files.

import { artifactText, artifactUrl, cancelTask, retryTask, source } from "./api.js";
import { beforeNextPicture, clock, h, percent, pill, show, spoken, tell } from "./dom.js";
import { atTab, toTask, toView } from "./route.js";
import { drawSource } from "./source.js";
import { ended } from "./store.js";
import { Story, running, said } from "./story.js";

const TABS = ["Timeline", "Tests", "Source", "Log", "Files"];
const LOG_LINES = 400;

export class Detail {
  constructor(task, element, tab = "") {
    this.task = task;
    this.element = element;
    this.tab = TABS.find((name) => name.toLowerCase() === tab) ?? TABS[0];
    this.head = h("div", { class: "head" });
    this.facts = h("dl", { class: "facts" });
    this.panel = h("div", { class: "panel scroll", role: "tabpanel", id: "panel", tabindex: "0" });
    this.tabs = TABS.map((name) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => this.turn(name) }, name),
    );
    const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "About the task", onkeydown: (event) => this.#key(event) }, this.tabs);
    show(element, this.head, this.facts, tabs, this.panel);
    const draw = beforeNextPicture(() => this.#drawPanel());
    this.story = new Story(task, (event) => {
      if (["suite-verified", "task-finished"].includes(event.type)) this.view = null;
      draw();
    });
    this.choose(this.tab);
  }

  close() {
    this.story.close();
  }

  /** Take note of the task's newest row. */
  update(task) {
    if (task === this.shown) return;
    this.shown = this.task = task;
    this.#drawHead();
  }

  /** Show another part, and have the address say so. */
  turn(name) {
    this.choose(name);
    atTab(name.toLowerCase());
  }

  /** Show the part that an address names, if there is one of that name. */
  follow(tab) {
    const name = TABS.find((one) => one.toLowerCase() === tab);
    if (name) this.choose(name);
  }

  choose(name) {
    this.tab = name;
    for (const [at, tab] of this.tabs.entries()) {
      tab.setAttribute("aria-selected", TABS[at] === name);
      tab.tabIndex = TABS[at] === name ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    this.#drawPanel();
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (TABS.indexOf(this.tab) + step + TABS.length) % TABS.length;
    this.turn(TABS[next]);
    this.tabs[next].focus();
    event.preventDefault();
  }

  #drawHead() {
    const { task } = this;
    const button = ended(task)
      ? h("button", { type: "button", id: "act", onclick: () => this.#retry() }, "Retry")
      : h("button", { type: "button", id: "act", onclick: () => this.#cancel() }, "Cancel");
    const focused = this.head.contains(document.activeElement);
    show(
      this.head,
      h("h2", {}, task.module, " ", pill(task.state)),
      h("span", { class: "actions" }, button, h("a", { class: "button", href: "#/tasks", "aria-label": "Close the task" }, "Close")),
    );
    if (focused) button.focus();
    const until = task.completed_at ? Date.parse(task.completed_at) : null;
    const facts = [
      ["Task", task.id],
      ["Job", h("a", { href: toView("tasks", { text: task.job, namespace: task.namespace }) }, task.job)],
      ["Again", task.retry_of && h("a", { href: toTask({ namespace: task.namespace, id: task.retry_of }) }, task.retry_of)],
      ["Namespace", task.namespace],
      ["Engine", task.engine],
      ["Worker", task.worker],
      ["Verifier", task.verifier],
      ["Attempts", task.attempt],
      ["Coverage", percent(task.coverage)],
      ["Tests kept", task.tests],
      ["Mutants noticed", percent(task.mutation)],
      ["Submitted", clock(task.created_at)],
      ["Again at", clock(task.retry_at)],
      ["Ends by", until ? "" : clock(task.deadline_at)],
      ["Took", until && task.started_at ? spoken(until - Date.parse(task.started_at)) : ""],
      ["Says", task.message],
    ];
    const told = facts.filter(([, value]) => value !== null && value !== "" && value !== undefined);
    show(this.facts, ...told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  #drawPanel() {
    const draw = { Timeline: this.#timeline, Tests: this.#tests, Source: this.#source, Log: this.#log, Files: this.#files }[this.tab];
    draw.call(this);
  }

  #timeline() {
    let started = null;
    const items = this.story.events.map((event) => {
      const [what, of] = said(event, started);
      started = running(event, started);
      return h("li", { data: { kind: event.type } }, h("time", {}, clock(event.at)), h("b", {}, what), h("span", {}, of));
    });
    show(this.panel, h("ol", { class: "timeline" }, ...items));
  }

  #tests() {
    const verdicts = this.story.verdicts;
    if (!verdicts.length) return this.#nothing("No tests have been verified yet.");
    const kept = (one) => (one.verdict === "kept" ? 0 : 1);
    const rows = [...verdicts].sort((one, other) => kept(one) - kept(other)).map((one) =>
      h("tr", {}, h("td", {}, h("span", { class: "pill", data: { verdict: one.verdict } }, one.verdict)), h("td", { class: "id" }, one.id), h("td", {}, one.reason)),
    );
    const head = h("thead", {}, h("tr", {}, ["Verdict", "Test", "Why"].map((name) => h("th", { scope: "col" }, name))));
    const sums = [...Map.groupBy(verdicts, (one) => one.verdict)].map(([verdict, all]) => `${all.length} ${verdict}`);
    const told = this.story.omitted ? [...sums, `${this.story.omitted} more in the report`] : sums;
    show(this.panel, h("p", { class: "hushed" }, told.join(", ")), h("table", { class: "tests" }, head, h("tbody", {}, ...rows)));
  }

  async #source() {
    if (!this.panel.querySelector(".source")) this.#nothing("Reading the source…");
    try {
      this.view ??= await source(this.task);
    } catch (error) {
      return this.#nothing(error.message);
    }
    if (this.tab === "Source") show(this.panel, ...drawSource(this.view));
  }

  async #log() {
    const log = this.story.log;
    const progress = this.story.events.filter((event) => event.type === "task-progressed");
    const said = progress.map((event) => `${clock(event.at)}  ${event.phase}  ${event.message}`);
    const lines = log ? await this.#logOf(log) : said;
    if (this.tab !== "Log") return;
    if (!lines.length) return this.#nothing("Nothing has been said yet.");
    const tail = lines.slice(-LOG_LINES);
    const cut = lines.length > tail.length ? h("p", { class: "hushed" }, `the last ${LOG_LINES} of ${lines.length} lines`) : null;
    // Whoever has scrolled back to read something stays there.
    const { scrollTop, clientHeight, scrollHeight } = this.panel;
    const follows = !this.panel.querySelector(".log") || scrollTop + clientHeight > scrollHeight - 30;
    show(this.panel, cut, h("pre", { class: "log" }, tail.join("\n")));
    this.panel.scrollTop = follows ? this.panel.scrollHeight : scrollTop;
  }

  async #logOf(artifact) {
    this.logs ??= new Map();
    if (!this.logs.has(artifact.digest)) {
      this.logs.set(artifact.digest, await artifactText(this.task, artifact).catch((error) => error.message));
    }
    return this.logs.get(artifact.digest).split("\n");
  }

  #files() {
    const rows = this.story.artifacts.map((artifact) =>
      h("li", {}, h("a", { href: artifactUrl(this.task, artifact), target: "_blank", rel: "noopener" }, artifact.name), h("span", { class: "hushed" }, ` ${artifact.size} bytes`)),
    );
    if (!rows.length) return this.#nothing("No files yet.");
    show(this.panel, h("ul", { class: "files" }, ...rows));
  }

  #nothing(words) {
    show(this.panel, h("p", { class: "empty" }, words));
  }

  async #cancel() {
    await cancelTask(this.task).then(
      () => tell(`asked for the end of ${this.task.module}`),
      (error) => tell(error.message),
    );
  }

  async #retry() {
    await retryTask(this.task).then(
      (job) => (location.hash = toTask({ namespace: this.task.namespace, id: job.tasks[0].id })),
      (error) => tell(error.message),
    );
  }
}
