// Puts the page together: who is signed in, which view is shown, and which keys do what.

import { passing, signedIn, signIn } from "./api.js";
import { Detail } from "./detail.js";
import { show, tell, text } from "./dom.js";
import { Jobs } from "./jobs.js";
import { Overview } from "./overview.js";
import { Pause } from "./pacing.js";
import { read, toView } from "./route.js";
import { Runs } from "./runs.js";
import { key, Store } from "./store.js";
import { Tasks } from "./tasks.js";
import { followTheme } from "./theme.js";
import { Waiting } from "./waiting.js";

const part = (id) => document.getElementById(id);
const store = new Store();
const overview = new Overview(store, { tiles: part("tiles"), workers: part("workers"), waits: part("waits") });
const views = { tasks: new Tasks(store), jobs: new Jobs(store), runs: new Runs(store), waiting: new Waiting(store) };
const pause = new Pause();
let detail = null;

function draw() {
  drawLink();
  const route = read();
  overview.draw(route);
  const view = views[route.view];
  if (part("list").firstChild !== view.element) show(part("list"), view.element);
  view.draw(route);
  drawDetail(route);
  drawTitle(route);
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function drawDetail(route) {
  const task = route.task && store.task(route.task.id, route.task.namespace);
  if (detail && (!task || key(task) !== key(detail.task))) {
    detail.close();
    detail = null;
  }
  part("detail").hidden = !route.task;
  part("panes").classList.toggle("open", Boolean(route.task));
  if (!route.task) return;
  if (!task) {
    if (store.resets) show(part("detail"), `There is no task ${route.task.id} here (yet).`);
    return;
  }
  if (!detail) {
    detail = new Detail(task, part("detail"), route.tab);
    detail.update(task);
    part("detail").focus();
  }
  detail.update(task);
  if (route.tab && route.tab !== detail.tab.toLowerCase()) detail.follow(route.tab);
}

/** The name of the browser's tab: what is looked at, or how much is going on. */
function drawTitle(route) {
  const task = route.task && store.task(route.task.id, route.task.namespace);
  const busy = ["running", "verifying"].reduce((sum, state) => sum + (store.counts.get(state) ?? 0), 0);
  const title = task ? `${task.module} ${task.state} · testwright` : busy ? `${busy} at work · testwright` : "testwright";
  if (document.title !== title) document.title = title;
}

function drawLink() {
  part("link").dataset.state = store.link;
  text(part("link"), store.link);
  part("reconnect").hidden = store.link !== "closed";
  if (store.link === "live") pause.reset();
  document.body.dataset.sequence = store.sequence;
  document.body.dataset.resets = store.resets;
}

async function open() {
  const welcome = await signedIn().catch(() => true);
  part("signin").hidden = welcome;
  for (const id of ["now", "panes"]) part(id).hidden = !welcome;
  if (welcome) store.connect(() => pause.then(open));
  else part("token").focus();
}

async function enter(token) {
  try {
    await signIn(token);
    text(document.querySelector("#signin .notice"), "");
  } catch (error) {
    if (passing(error)) return pause.then(() => enter(token));
    text(document.querySelector("#signin .notice"), error.message);
  }
  await open();
}

/** A token in the address is used once and taken out of it: it must not stay in the history. */
async function begin() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return open();
  history.replaceState(null, "", toView("tasks"));
  await enter(token);
  draw();
}

function keys(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    location.hash = read().view === "tasks" ? location.hash : "#/tasks";
    views.tasks.search.focus();
  } else if (event.key === "Escape") {
    const { task, view, filter } = read();
    if (!typing && task) location.hash = toView("tasks", filter);
    views[view].focus();
  }
}

addEventListener("hashchange", draw);
addEventListener("keydown", keys);
addEventListener("online", () => store.link === "closed" && open());
addEventListener("unhandledrejection", (event) => tell(event.reason?.message ?? "something went wrong"));
part("reconnect").addEventListener("click", open);
part("signin").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(part("token").value.trim());
});
followTheme(part("theme"));
store.listen(draw);
begin();
