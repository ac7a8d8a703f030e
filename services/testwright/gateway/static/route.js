// The address of the page: `#/tasks?state=failed&text=shop`, `#/task/NAMESPACE/ID`, `#/task/NAMESPACE/ID/source`, `#/jobs`,
// `#/runs`, `#/waiting`.

export function read(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(decodePart);
  const filter = Object.fromEntries(new URLSearchParams(query));
  if (parts[0] === "task") {
    const [namespace, id, tab = ""] = parts.length > 2 ? parts.slice(1) : [undefined, parts[1]];
    return { view: "tasks", task: { namespace, id }, tab, filter };
  }
  return { view: ["jobs", "runs", "waiting"].includes(parts[0]) ? parts[0] : "tasks", task: null, filter };
}

function decodePart(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const query = (filter) => {
  const set = Object.entries(filter).filter(([, value]) => value);
  return set.length ? `?${new URLSearchParams(set)}` : "";
};

export const toTask = (task, filter = {}, tab = "") =>
  `#/task/${encodeURIComponent(task.namespace)}/${encodeURIComponent(task.id)}${tab && `/${tab}`}${query(filter)}`;

export const toView = (view, filter = {}) => `#/${view}${query(filter)}`;

/** Change the filter without leaving a step in the history for every letter. */
export function refine(changes) {
  const { view, task, tab, filter } = read();
  const refined = { ...filter, ...changes };
  history.replaceState(null, "", task ? toTask(task, refined, tab) : toView(view, refined));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Have the address name a part of the task that is shown, so that a link to it shows the same. */
export function atTab(tab) {
  const { task, filter } = read();
  if (task?.namespace) history.replaceState(null, "", toTask(task, filter, tab));
}
