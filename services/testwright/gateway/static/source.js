// A module with its covered lines, and the changes of it that no test notices.

import { counted, h } from "./dom.js";

export function drawSource(view) {
  const covered = new Set(view.covered_lines);
  const missing = new Set(view.missing_lines);
  const survivors = Map.groupBy(view.survivors, (one) => one.line);
  const rows = view.lines.map((line, at) => {
    const number = at + 1;
    const kind = missing.has(number) ? "missing" : covered.has(number) ? "covered" : "plain";
    const mark = { missing: "not run", covered: "run", plain: "" }[kind];
    const alive = survivors.get(number) ?? [];
    return h(
      "tr",
      { data: { kind, line: number } },
      h("td", { class: "number" }, number),
      h("td", { class: "mark" }, mark),
      h("td", { class: "code" }, h("code", {}, line || " "), ...alive.map((one) => h("span", { class: "survivor" }, `survives: ${one.operator}`))),
    );
  });
  const told = view.verified
    ? `${counted(covered.size, "line")} run, ${missing.size} not run, ${counted(view.survivors.length, "surviving mutant")}`
    : "not verified yet";
  const head = h("thead", {}, h("tr", {}, ["Line", "Tests", "Code"].map((name) => h("th", { scope: "col" }, name))));
  return [h("p", { class: "hushed" }, `${view.path}: ${told}`), h("table", { class: "source" }, head, h("tbody", {}, ...rows))];
}
