// Have tests written for a module, and react when they are there: with nothing but the NATS client.
//
//     npm ci
//     NATS_URL=nats://… node submit-and-react.js PROJECT src/shop/pricing.py shop.pricing src
//
// The arguments are the project's folder, the module's file in it, its import path, and the folder in it that goes on
// `sys.path` ("." for the project itself). The messages are described in schemas/asyncapi.json.

import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const namespace = process.env.TESTWRIGHT_NAMESPACE ?? "default";
const engines = (process.env.ENGINES ?? "pynguin,ghostwriter").split(",");
const [project, path, module, importRoot] = process.argv.slice(2);

// This client takes no credentials in the URL of a server.
const url = new URL(process.env.NATS_URL ?? "nats://127.0.0.1:4222");
const connection = await connect({
  servers: url.host,
  user: decodeURIComponent(url.username) || undefined,
  pass: decodeURIComponent(url.password) || undefined,
});
const js = jetstream(connection);
const manager = await jetstreamManager(connection);

// Ids are yours to choose: letters, digits, "-" and "_". Sending a job twice under one id does it once.
const jobId = `job-${randomUUID()}`;
const taskId = `task-${randomUUID()}`;

// Listen before you ask, and nothing can be missed. An ordered consumer reads the stream, so it survives reconnects.
const consumer = await js.consumers.get("TESTWRIGHT_EVENTS", {
  filter_subjects: `testwright.event.${namespace}.job.${jobId}.*`,
});
const jobEvents = await consumer.consume();

// The project as a gzipped tar of regular files, stored under the digest of its content.
const data = execFileSync("tar", ["-cz", "--exclude=.git", "-C", project, "."]);
const files = execFileSync("tar", ["-tz"], { input: data, encoding: "utf8" }).split("\n").filter((name) => name && !name.endsWith("/"));
const digest = createHash("sha256").update(data).digest("hex");
await put("testwright-snapshots", digest, data);

const command = {
  type: "submit-job",
  namespace,
  job_id: jobId,
  tasks: [{ task_id: taskId, target: { module, path, import_root: importRoot } }],
  snapshot: { digest, size: data.length, files: files.length },
  policy: { engines, coverage: 80, mutants: false }, // what is left out has a default
  submitted_at: new Date().toISOString(),
};
// The server's answer says that the command is stored: from here on it is done, whatever becomes of this process.
await js.publish(`testwright.command.${namespace}.submit`, JSON.stringify(command), {
  msgID: `${namespace}/job/${jobId}/submit`,
});
console.log("submitted", jobId);

for await (const message of jobEvents) {
  const event = message.json();
  if (event.type === "job-rejected") {
    console.log("rejected:", event.field, event.reason);
    process.exit(2);
  }
  if (event.type === "job-finished") break;
}

// The end of a task is its result: one message, the last on its subject.
const last = await manager.streams.getMessage("TESTWRIGHT_EVENTS", {
  last_by_subj: `testwright.event.${namespace}.task.${taskId}.finished`,
});
const result = last.json();
const kept = (result.tests ?? []).filter((test) => test.verdict === "kept").length;
console.log("finished", result.outcome, `${kept} tests kept`);
for (const file of result.files ?? []) {
  writeFileSync(basename(file.name), await fetched("testwright-artifacts", file.digest));
  console.log("wrote", basename(file.name));
}
await connection.close();
process.exitCode = result.outcome === "completed" ? 0 : 1;

// Contents are laid out as in any object store, with the namespace as one more token of each subject: the server holds a
// client of one namespace to it. What client libraries call "put" and "get" knows no such token.
function entryOf(bucket, name) {
  const encoded = Buffer.from(name).toString("base64url").padEnd(Math.ceil(name.length / 3) * 4, "=");
  return `$O.${bucket}.M.${namespace}.${encoded}`;
}

// The content in chunks, then the entry that makes it known.
async function put(bucket, name, data) {
  const entry = entryOf(bucket, name);
  if ((await manager.streams.getMessage(`OBJ_${bucket}`, { last_by_subj: entry })) !== null) return;
  const nuid = randomUUID().replaceAll("-", "");
  const step = 512 * 1024;
  let chunks = 0;
  for (let start = 0; start < data.length; start += step, chunks++) {
    await js.publish(`$O.${bucket}.C.${namespace}.${nuid}`, data.subarray(start, start + step));
  }
  const sum = Buffer.from(name, "hex").toString("base64url").padEnd(44, "=");
  const about = { name, bucket, nuid, size: data.length, chunks, digest: `SHA-256=${sum}` };
  await js.publish(entry, JSON.stringify(about));
}

async function fetched(bucket, name) {
  const { nuid, chunks } = (await manager.streams.getMessage(`OBJ_${bucket}`, { last_by_subj: entryOf(bucket, name) })).json();
  const consumer = await js.consumers.get(`OBJ_${bucket}`, { filter_subjects: `$O.${bucket}.C.${namespace}.${nuid}` });
  const parts = [];
  for await (const part of chunks ? await consumer.fetch({ max_messages: chunks }) : []) parts.push(part.data);
  const data = Buffer.concat(parts);
  if (createHash("sha256").update(data).digest("hex") !== name) throw new Error(`${name} has been changed`);
  return data;
}
