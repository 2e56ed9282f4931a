/**
 * Series of values for sparklines and charts, and their summaries. Pure.
 *
 * A null is a gap and is drawn as one.
 */

/** The last value that is known, or null. */
export function latest(values) {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    if (values[index] !== null && values[index] !== undefined) return values[index];
  }
  return null;
}

/** Runs of known values: [{from, values}], split at gaps. */
export function runs(values) {
  const found = [];
  let current = null;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      current = null;
      return;
    }
    if (current === null) found.push((current = { from: index, values: [] }));
    current.values.push(value);
  });
  return found;
}

/** SVG paths {line, area} of `values` in a box, y from zero. A lone point is drawn as a short dash. */
export function sparkline(values, { width, height, top = 2, limit = 0 }) {
  const known = values.filter((value) => value !== null && value !== undefined);
  const ceiling = Math.max(limit, ...known, 0) || 1;
  const step = values.length > 1 ? width / (values.length - 1) : width;
  const x = (index) => round(index * step);
  const y = (value) => round(height - (Math.max(value, 0) / ceiling) * (height - top));
  let line = "";
  let area = "";
  for (const run of runs(values)) {
    const points = run.values.map((value, offset) => [x(run.from + offset), y(value)]);
    if (points.length === 1) points.push([round(points[0][0] + Math.min(step, 2)), points[0][1]]);
    const path = points.map(([px, py]) => `${px} ${py}`).join("L");
    line += `M${path}`;
    area += `M${points[0][0]} ${height}L${path}L${points.at(-1)[0]} ${height}Z`;
  }
  return { line, area };
}

const round = (value) => Math.round(value * 100) / 100;

/** Insert a null where samples are missing (a sleep, a restart), so that the gap is drawn. */
export function withGaps(at, columns, interval) {
  const moments = [];
  const filled = columns.map(() => []);
  at.forEach((moment, index) => {
    if (index > 0 && moment - at[index - 1] > interval * 2.5) {
      moments.push(at[index - 1] + interval);
      filled.forEach((column) => column.push(null));
    }
    moments.push(moment);
    columns.forEach((column, which) => filled[which].push(column[index] ?? null));
  });
  return [moments, ...filled];
}

/** {low, high, last, known} of a column, for the summary of a chart. */
export function extent(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length === 0) return { low: null, high: null, last: null, known: 0 };
  return { low: Math.min(...known), high: Math.max(...known), last: latest(values), known: known.length };
}

/** The median of the known values, shown as "usual"; null with fewer than `least` of them. */
export function usual(values, least = 12) {
  const known = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  return known.length < least ? null : known[Math.floor(known.length / 2)];
}

/** What is remarked on the time from `from` until before `to`, as text: changes of the level, then what is unusual. */
export function remarksIn({ marks, moments }, from, to) {
  const there = [...moments.filter(({ at }) => from <= at && at < to), ...marks.filter((mark) => mark.from < to && from <= mark.to)];
  return [...new Set(there.map(({ text }) => text))].join("; ");
}
