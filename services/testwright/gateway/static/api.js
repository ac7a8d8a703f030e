// The only place that asks the gateway for something; what happens comes by itself, see store.js.

const PATIENCE = 10_000; // milliseconds for an answer on who is signed in

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Whether the same may go well a little later: nobody has answered, or was too busy to. */
export const passing = (error) => !(error instanceof Refused) || [429, 503].includes(error.status);

async function ask(method, path, { namespace, headers, body, signal } = {}) {
  const query = namespace ? `?namespace=${encodeURIComponent(namespace)}` : "";
  const response = await fetch(`/api/v1/${path}${query}`, {
    method,
    headers: body ? { "Content-Type": "application/json", ...headers } : headers,
    body: body && JSON.stringify(body),
    signal,
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.detail || `${response.status} ${response.statusText}`);
}

/** Trade a token for a cookie that no script can read. */
export const signIn = (token) => 
  ask("POST", "session", { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(PATIENCE) });

/** Whether the cookie opens anything. */
export const signedIn = () =>
  ask("GET", "session", { signal: AbortSignal.timeout(PATIENCE) }).then(
    () => true,
    (error) => error.status !== 401,
  );

const taskPath = (task, rest) => `tasks/${encodeURIComponent(task.id)}/${rest}`;

export const cancelTask = (task) =>
  ask("POST", taskPath(task, "cancel"), { namespace: task.namespace, body: { reason: "asked for on the page" } });

export const retryTask = async (task) =>
  (await ask("POST", taskPath(task, "retry"), { namespace: task.namespace })).json();

export const cancelJob = (job) =>
  ask("POST", `jobs/${encodeURIComponent(job.id)}/cancel`, { namespace: job.namespace });

export const cancelRun = (run) =>
  ask("POST", `runs/${encodeURIComponent(run.id)}/cancel`, { namespace: run.namespace });

export const source = async (task) => (await ask("GET", taskPath(task, "source"), { namespace: task.namespace })).json();

export const artifactUrl = (task, artifact) =>
  `/api/v1/${taskPath(task, `artifacts/${artifact.digest}`)}?namespace=${encodeURIComponent(task.namespace)}`;

export const artifactText = async (task, artifact) => {
  const response = await fetch(artifactUrl(task, artifact));
  if (!response.ok) throw new Refused(response.status, "this file has expired");
  return response.text();
};
