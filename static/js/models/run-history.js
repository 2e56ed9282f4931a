/**
 * The history of runs that the browser stores: what is dropped when it is full, and its export. Pure.
 *
 * A run is {id, at (epoch ms), name, sides: {a, b}: {title, settings}, comparison, stages, reference, language, files:
 * {original, a, b}: Blob or null}.
 */

/** Limits of what is stored. */
export const MOST_RUNS = 30;
export const MOST_BYTES = 200_000_000;
export const EXPORT_VERSION = "1.0";

/** The bytes of a run's files. */
export function bytesOf({ files }) {
  return Object.values(files).reduce((sum, file) => sum + (file?.size ?? 0), 0);
}

/**
 * What to drop for one more run: {drops: [id], fits}; `fits` false: it is larger than all that may be stored.
 * `stored`: [{id, at, bytes}] in any order.
 */
export function dropsFor(bytes, stored, { mostRuns = MOST_RUNS, mostBytes = MOST_BYTES } = {}) {
  if (bytes > mostBytes) return { drops: [], fits: false };
  const oldest = [...stored].sort((first, second) => first.at - second.at);
  let sum = bytes + oldest.reduce((total, run) => total + run.bytes, 0);
  const drops = [];
  while (oldest.length > 0 && (oldest.length + 1 > mostRuns || sum > mostBytes)) {
    const run = oldest.shift();
    sum -= run.bytes;
    drops.push(run.id);
  }
  return { drops, fits: true };
}

/** A run as it is exported. `encoded`: its files as base64, by name. */
export function exportedRun({ at, name, sides, comparison, stages, reference, language, files }, encoded) {
  return {
    at: new Date(at).toISOString(),
    file: name,
    a: sides.a,
    b: sides.b,
    reference,
    language,
    comparison,
    stages,
    audio: Object.fromEntries(Object.entries(files).map(([key, file]) => [key, file === null ? null : { type: file.type, bytes: file.size, base64: encoded[key] }])),
  };
}

/** The parts of the export's JSON text, for a Blob: one string of all audio may be longer than strings can be. */
export function exportParts(runs, now) {
  const head = JSON.stringify({ version: EXPORT_VERSION, timestamp: now.toISOString() }).slice(0, -1);
  return [`${head},"runs":[`, ...runs.flatMap((run, index) => [index === 0 ? "" : ",", JSON.stringify(run)]), "]}"];
}
