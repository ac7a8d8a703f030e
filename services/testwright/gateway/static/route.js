// The address of the page: `#/tasks?state=failed&text=shop`, `#/task/NAMESPACE/ID`, `#/jobs`, `#/runs`.

export function read(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(decodePart);
  const filter = Object.fromEntries(new URLSearchParams(query));
  if (parts[0] === "task") {
    const [namespace, id] = parts.length > 2 ? [parts[1], parts[2]] : [undefined, parts[1]];
    return { view: "tasks", task: { namespace, id }, filter };
  }
  return { view: ["jobs", "runs"].includes(parts[0]) ? parts[0] : "tasks", task: null, filter };
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

export const toTask = (task, filter = {}) =>
  `#/task/${encodeURIComponent(task.namespace)}/${encodeURIComponent(task.id)}${query(filter)}`;

export const toView = (view, filter = {}) => `#/${view}${query(filter)}`;

/** Change the filter without leaving a step in the history for every letter. */
export function refine(changes) {
  const { view, task, filter } = read();
  const refined = { ...filter, ...changes };
  history.replaceState(null, "", task ? toTask(task, refined) : toView(view, refined));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
