/** The Analytics page: what each chart shows, paths of requests, texts. Pure: states in, text and numbers out. */

import { UNKNOWN, bytes, count, counted, duration, joined, latency, number, percent } from "./number-format.js";

/** The charts of the page, by id: series [{key, label, colour, dash?}] in one unit; the first one is compared. */
export const CHARTS = {
  traffic: {
    unit: "/s",
    series: [
      { key: "requests", label: "requests", colour: "accent" },
      { key: "errors", label: "errors", colour: "bad", dash: [4, 3] },
    ],
  },
  latency: {
    unit: "ms",
    series: [
      { key: "requests_p95_ms", label: "p95", colour: "accent" },
      { key: "requests_p50_ms", label: "p50", colour: "muted", dash: [2, 3] },
    ],
  },
  captions: {
    unit: "/s",
    series: [
      { key: "finals", label: "captions", colour: "accent" },
      { key: "lost", label: "lost", colour: "bad", dash: [4, 3] },
      { key: "captions_late", label: "late", colour: "text", dash: [6, 4] },
    ],
  },
  delay: { unit: "ms", series: [{ key: "caption_p95_ms", label: "p95", colour: "accent" }] },
  connections: {
    unit: "",
    series: [
      { key: "connections", label: "connections", colour: "accent" },
      { key: "sessions", label: "sessions", colour: "muted", dash: [2, 3] },
    ],
  },
  memory: { unit: "bytes", series: [{ key: "memory_bytes", label: "memory", colour: "accent" }] },
};

/** All keys of the charts, each once. */
export const KEYS = [...new Set(Object.values(CHARTS).flatMap(({ series }) => series.map(({ key }) => key)))];

/** What an earlier time is called, by its seconds. */
export const EARLIER = { 3600: "an hour earlier", 86400: "a day earlier", 604800: "a week earlier" };

/** A function that returns a value in a unit as text. */
export function formatOf(unit) {
  if (unit === "ms") return (value) => joined(latency(value));
  if (unit === "s") return (value) => duration(value);
  if (unit === "bytes") return (value) => bytes(value);
  if (unit === "share") return (value) => percent(value);
  if (unit === "/s") return (value) => joined({ value: number(value), unit: value === null || value === undefined ? "" : "/s" });
  return (value) => number(value);
}

const query = (pairs) => new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== 0 && value !== "")).toString();

/** The path of series. `format`: json or csv; `usual`: with what is usual; `worker`: a name, or null. */
export function seriesPath({ keys, seconds, compare = 0, points = 600, usual = false, format = null, worker = null }) {
  return `/api/analytics/series?${query([...keys.map((key) => ["key", key]), ["seconds", seconds], ["points", points], ["compare", compare], ["usual", usual ? "true" : null], ["format", format], ["worker", worker]])}`;
}

/** The path of a list: figures, insights or anomalies. */
export function listPath(name, { seconds = 0, worker = null }) {
  const asked = query([["seconds", seconds], ["worker", worker]]);
  return `/api/analytics/${name}${asked === "" ? "" : `?${asked}`}`;
}

export const forecastPath = ({ key, hours, worker = null }) => `/api/analytics/forecast?${query([["key", key], ["hours", hours], ["worker", worker]])}`;

/** A response with series as {at, step, compare, byKey}, or null where it is not one. */
export function readSeries(data) {
  if (!Array.isArray(data?.at) || !Array.isArray(data.series)) return null;
  return { at: data.at, step: data.step, compare: data.compare, byKey: new Map(data.series.map((each) => [each.key, each])) };
}

/** The bounds between which nine of ten values of the first series usually are, as series of a chart. */
export const BAND = [
  { label: "usual low", colour: "muted", fill: false, band: true },
  { label: "usual high", colour: "muted", fill: false },
];

/** Whether it is known what is usual for a chart's first series. */
export const hasBand = (chart, answer) => (answer.byKey.get(chart.series[0].key)?.usual_low ?? []).length > 0;

/** The columns of a chart: one a series, then the first one's earlier values and its usual bounds where `answer` has some. */
export function columnsOf(chart, answer) {
  const empty = () => answer.at.map(() => null);
  const columns = chart.series.map(({ key }) => answer.byKey.get(key)?.values ?? empty());
  const first = answer.byKey.get(chart.series[0].key);
  if (answer.compare > 0) columns.push(first?.compared ?? empty());
  if (hasBand(chart, answer)) columns.push(first.usual_low, first.usual_high);
  return columns;
}

/** The moments at which the level of a chart's series changed. */
export function momentsOf(chart, answer) {
  const format = formatOf(chart.unit);
  return chart.series.flatMap(({ key, label }) =>
    (answer.byKey.get(key)?.changes ?? []).map(({ at, before, after }) => ({ at, text: `${label} ${format(after)} from then on; at the former level it would be ${format(before)}` })),
  );
}

/** An answer whose newest point has the values that were measured last; only where a point is a few seconds. */
export function withLatest(answer, live) {
  if (answer.step > 10 || answer.at.length === 0 || live === null) return answer;
  const isNew = live.now >= answer.at.at(-1) + answer.step;
  const at = isNew ? [...answer.at, Math.floor(live.now / answer.step) * answer.step] : answer.at;
  const byKey = new Map([...answer.byKey].map(([key, each]) => {
    const value = live.values[key] ?? null;
    const values = isNew ? [...each.values, value] : [...each.values.slice(0, -1), value ?? each.values.at(-1)];
    const [usual_low, usual_high] = [each.usual_low ?? [], each.usual_high ?? []].map((bound) => (isNew && bound.length > 0 ? [...bound, bound.at(-1)] : bound));
    return [key, { ...each, values, usual_low, usual_high, compared: isNew && each.compared.length > 0 ? [...each.compared, null] : each.compared }];
  }));
  return { ...answer, at, byKey };
}

/** {at, columns: [past, forecast, low, high], interval} of a past in the forecast's steps, and the forecast. */
export function forecastColumns(past, { start, step, values, low, high }) {
  const before = past.at.filter((at) => at < start);
  const none = before.map(() => null);
  const ahead = values.map((_, index) => start + index * step);
  const known = past.values.slice(0, before.length);
  return { at: [...before, ...ahead], columns: [[...known, ...values.map(() => null)], [...none, ...values], [...none, ...low], [...none, ...high]], interval: step };
}

/** The name of a figure: its title, and what it is of. */
export const figureName = ({ title, subject, area }) => (subject === "" ? title : `${title} ${area === "limits" ? subject.replaceAll("_", " ") : subject}`);

/** A value of its limit, as text. */
export function valueOf({ figure, latest, limit }) {
  const format = formatOf(figure.unit);
  return limit === null || limit === undefined || limit === 0 ? format(latest) : `${format(latest)} of ${format(limit)}`;
}

/** The tile of an error budget. */
export function budgetTile({ target, left, burn_hour: burn, covered, events, bad, lasts }) {
  const allowed = `${percent(1 - target)} may fail`;
  if (left === null) return { value: UNKNOWN, note: `${covered === 0 ? "nothing measured yet" : `too few events in the last ${duration(covered)}`} · ${allowed}` };
  const speed = burn === null ? "too few events in the last hour" : burn === 0 ? "none of it used in the last hour" : `used ${number(burn)} times as fast as it may be in the last hour`;
  const end = lasts !== null && burn > 1 ? `used up in ${duration(lasts)} at that rate` : null;
  const notes = [`${count(bad)} of ${count(events)} failed in ${duration(covered)}`, speed, end, allowed];
  return { value: left <= 0 ? "0 %" : percent(left), unit: "left", tone: left <= 0 ? "bad" : left < 0.25 || burn > 6 ? "warn" : "", note: notes.filter((note) => note !== null).join(" · ") };
}

/** When a figure reaches its limit: "in 20 d, at the earliest in 18 d". */
export function fillingText({ exhaustion: { within, earliest, latest, because } }) {
  const until = latest === null ? "perhaps never" : `at the latest in ${duration(latest)}`;
  return `in ${duration(within)}; at the earliest in ${duration(earliest)}, ${until}; by ${because}`;
}

/** Whether any figure has enough history to be called usual or unusual. `anomalies`: the last response, or null. */
export const isJudged = (anomalies) => anomalies !== null && anomalies.followed + anomalies.young > 0;

/** The sentence under the page's title. `figures`, `insights`, `anomalies`: the last responses, or null. */
export function sentence({ figures, insights, anomalies }) {
  if (figures.figures.length === 0) return "Nothing was measured yet.";
  const open = insights?.filter(({ is_open: isOpen }) => isOpen) ?? [];
  const measured = `${counted(figures.figures.length, "figure")} measured each second`;
  const first = figures.filling[0];
  const fills = first === undefined ? "" : ` ${figureName(first.figure)} reaches its limit in ${duration(first.exhaustion.within)}.`;
  if (open.length > 0) return `${open.length === 1 ? "One thing is" : `${count(open.length)} things are`} unusual now: ${open[0].title}${fills}`;
  if (anomalies === null) return `${measured}.${fills}`;
  return `${isJudged(anomalies) ? "Nothing unusual now." : "There is too little history yet to call a figure unusual."} ${measured}.${fills}`;
}

/** [word, tone] of an insight. */
export function insightState({ severity, is_open: isOpen }) {
  if (!isOpen) return ["over", "quiet"];
  return severity === "bad" ? ["bad", "bad"] : ["unusual", "warn"];
}

/** What an insight says of its causes. */
export function causesText(causes) {
  if (causes.length === 0) return "No cause is known.";
  return causes.map(({ text, share }) => `${text.replace(/[.]$/, "")} (${percent(share)})`).join("; ");
}

/** The spans of a chart to mark: of the anomalies of its series. */
export function marksOf(chart, anomalies, now) {
  const keys = new Set(chart.series.map(({ key }) => key));
  return anomalies.filter(({ anomaly }) => keys.has(anomaly.key)).map(({ anomaly, reason }) => ({ from: anomaly.began, to: anomaly.ended === null ? now : anomaly.until, text: reason }));
}

/** Changes of levels that no anomaly of the same figure shows already. `slack`: seconds apart that they may be. */
export function otherChanges({ anomalies, changes }, slack = 1_800) {
  const isShown = ({ key, change }) => anomalies.some(({ anomaly }) => anomaly.key === key && anomaly.began - slack <= change.at && change.at <= anomaly.until + slack);
  return changes.filter((each) => !isShown(each));
}
