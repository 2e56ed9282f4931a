/** The text of the Settings page. Pure. */

import { isolated } from "./bidi.js";
import { count, counted } from "./number-format.js";
import { listed } from "./overview.js";

/** The names of the sources of values. */
export const SOURCES = { default: "default", file: "file", environment: "environment", command_line: "command line", runtime: "changed here" };

/** The same in the sentence's words, in its order. */
const FROM = { file: "from the file", environment: "from the environment", command_line: "from the command line", runtime: "changed here", default: "left at the default" };

/** One sentence on the settings as a whole. */
export function sentence(config) {
  const { faults } = config.file;
  if (faults.length > 0) return `The file was changed but is not valid: ${counted(faults.length, "fault")}. The service keeps the settings it had.`;
  if (config.refused.length > 0) return "A value that was changed on another worker is not valid on this one, which keeps the value it had.";
  if (config.pending.length > 0) return `${config.pending.length === 1 ? "One change waits" : `${count(config.pending.length)} changes wait`} for a restart; everything else is in force.`;
  const counts = new Map();
  for (const { source } of grouped(config).flatMap(({ rows }) => rows)) counts.set(source, (counts.get(source) ?? 0) + 1);
  if (counts.size === 0 || (counts.size === 1 && counts.has("default"))) return "Every value is the default.";
  const parts = Object.entries(FROM).filter(([source]) => counts.has(source));
  return `Everything is in force: ${listed(parts.map(([source, words]) => `${count(counts.get(source))} ${words}`))}.`;
}

/** A value as it is shown: text as it is, "" as such, lists as JSON, a list of tables one to a line. */
export function shown(value) {
  if (value === "") return "(empty)";
  if (value === null || value === undefined) return "(none)";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.some((item) => typeof item === "object")) return value.map((item) => JSON.stringify(item)).join("\n");
  return JSON.stringify(value);
}

/** Rows of one group each: [{group, rows: [{path, name, value, text, source, pending}]}], in the given order. */
export function grouped(config) {
  const runtime = new Set(config.runtime ?? []);
  const waiting = new Map(config.pending.map((change) => [change.path, change]));
  const groups = new Map();
  for (const [path, value] of Object.entries(config.values)) {
    const parts = path.split(".");
    const group = parts.length > 2 ? parts.slice(0, 2).join(".") : parts[0];
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push({
      path,
      name: path.slice(group.length + 1),
      value,
      text: shown(value),
      fixed: config.fixed?.[path] ?? null,
      source: source(config.sources[path] ?? "default", runtime.has(path)),
      pending: waiting.get(path) ?? null,
    });
  }
  return [...groups].map(([group, rows]) => ({ group, rows }));
}

/** The command line and changes made here have the same source; only the latter can be undone. */
const source = (from, isChanged) => (isChanged ? "runtime" : from === "runtime" ? "command_line" : from);

/** Groups with the rows that match, empty ones left out. */
export function matching(groups, text, source) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return groups
    .map(({ group, rows }) => ({
      group,
      rows: rows.filter((row) => (source === "" || row.source === source) && words.every((word) => `${row.path}\u0000${row.text}`.toLowerCase().includes(word))),
    }))
    .filter(({ rows }) => rows.length > 0);
}

/** The typed text as a value of the old one's type: {value} or {error}. */
export function parsed(text, old) {
  if (typeof old === "string") return { value: text };
  if (typeof old === "boolean") {
    if (text === "true" || text === "false") return { value: text === "true" };
    return { error: "Type true or false." };
  }
  if (typeof old === "number") {
    const value = Number(text);
    return text.trim() === "" || !Number.isFinite(value) ? { error: "Type a number." } : { value };
  }
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { error: "Type JSON, for instance [\"a\", \"b\"]." };
  }
}

/** Whether a value can be changed on the page: the service allows it, and it is no table of tables. */
export const isEditable = (row) => !row.fixed && !/(_key|_token|password|secret)$/.test(row.path) && !(Array.isArray(row.value) ? row.value.some((item) => typeof item === "object") : row.value !== null && typeof row.value === "object");

/** A sentence for each other worker that did not apply a change; "" where all did. */
export function otherWorkersText(workers) {
  return workers
    .filter(({ outcome }) => outcome !== "applied")
    .map(({ worker, outcome, faults }) =>
      outcome === "refused"
        ? `${worker} rejected it and keeps the value it had: ${faults.map(({ path, expected }) => `${path}: ${isolated(expected)}`).join("; ")}.`
        : `${worker} did not reply; it applies the change once it can.`,
    )
    .join(" ");
}

/** The result of an import, as a sentence. */
export function importedText(changes) {
  const of = (wanted) => changes.filter(({ outcome }) => outcome === wanted).length;
  const parts = [
    [of("applies"), "in force now"],
    [of("waits"), "in force after a restart"],
    [of("fixed"), "not changed"],
  ].filter(([number]) => number > 0);
  return parts.length === 0 ? "The file changes nothing." : `${listed(parts.map(([number, words]) => `${counted(number, "value")} ${words}`))}.`;
}

/** When a change of an imported file applies. */
export const OUTCOMES = { applies: "at once", waits: "after a restart", fixed: "not changed" };

/**
 * The faults of the settings file, and the changes of other workers that this one rejected, as problems for banners.
 * `rejectedSince`: when such a change was first noticed, in epoch seconds.
 */
export function faultProblems({ file, refused }, rejectedSince) {
  const problem = { tone: "bad", word: "not applied", action: null };
  return [
    ...(file.changing ? [{ ...problem, tone: "warn", word: "not read", key: "changing", subject: file.path, text: "The file keeps changing.", more: "It is applied once it stays the same for a second.", since: null }] : []),
    ...file.faults.map(({ path, expected }) => ({ ...problem, key: path, subject: path, text: expected, more: "The service keeps the value it had; correct the file and save it.", since: file.read_at })),
    ...refused.map(({ path, expected }) => ({ ...problem, key: `refused ${path}`, subject: path, text: expected, more: "It was changed on another worker. This worker keeps the value it had; correct its file, or undo the change there.", since: rejectedSince })),
  ];
}
