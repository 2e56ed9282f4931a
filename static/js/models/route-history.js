/** The course of a route as GET /api/gateway/history has it. Pure. */

const COLUMNS = ["requests_per_second", "errors_per_second", "p50_ms", "p95_ms", "p99_ms"];

/** The path of a row's history (models/gateway.js `routed`) on a worker (its name, or null); null: it has none. */
export function historyPath({ prefix, flow, service }, worker = null) {
  const of = prefix !== undefined ? { route: prefix } : flow !== undefined ? { flow, service } : null;
  if (of === null) return null;
  return `/api/gateway/history?${new URLSearchParams(worker === null ? of : { ...of, worker })}`;
}

/** A response as {at, interval, window, rates, latencies}, or null where it is not one. */
export function readHistory(data) {
  const { at, interval, window } = data ?? {};
  if (!Array.isArray(at) || typeof interval !== "number" || typeof window !== "number") return null;
  const columns = COLUMNS.map((name) => data[name]);
  if (!columns.every((column) => Array.isArray(column) && column.length === at.length)) return null;
  return { at, interval, window, rates: columns.slice(0, 2), latencies: columns.slice(2) };
}
