/**
 * The tiles of the Overview and the Gateway page: each figure with its window, its limit, and its age. Pure. A figure
 * with a colour has the reason as text beside it.
 */

import { UNKNOWN, bytes, count, counted, duration, joined, latency, number, percent } from "./number-format.js";
import { LATE } from "./overview.js";
import { usual } from "./series.js";
import { ago } from "./time-format.js";

/** The share of the limit from which connections are nearly full. */
const NEARLY = 0.9;
/** The share of errors from which a figure is marked. */
export const NOTEWORTHY = 0.05;

/** Connections of all workers: `unanswered` of them did not answer the last heartbeat. */
export function connectionsTile(connections, series) {
  const { active, limit, sessions, evicted, unanswered = 0 } = connections;
  const isNearlyFull = limit > 0 && active >= limit * NEARLY;
  const notes = [
    isNearlyFull ? "nearly full" : null,
    unanswered > 0 ? `${counted(unanswered, "worker")} not replying, as last known` : null,
    counted(sessions, "session"),
    `${count(evicted)} disconnected as too slow since the start`,
  ];
  return { value: count(active), unit: `of ${count(limit)}`, series: series.connections, tone: isNearlyFull ? "warn" : "", note: joinedNotes(notes) };
}

/** Requests of clients and captions together. */
export function requestsTile(gateway, series) {
  return {
    value: number(gateway.requests_per_second),
    unit: "/s",
    series: series.requests_per_second,
    note: `${count(gateway.requests_last_minute)} in the last minute, ${failed(gateway.errors_last_minute)} · ${count(gateway.requests)} since the start`,
  };
}

const failed = (errors) => (errors === 0 ? "none failed" : `${count(errors)} failed`);

/** Errors of the last minute, of all requests. */
export function errorsTile(gateway, series) {
  const { requests_last_minute: requests, errors_last_minute: errors } = gateway;
  return {
    value: requests === 0 ? UNKNOWN : percent(gateway.error_rate),
    series: series.errors_per_second,
    tone: gateway.error_rate > NOTEWORTHY ? "bad" : "",
    note: `${requests === 0 ? "no requests in the last minute" : `${count(errors)} of ${counted(requests, "request")} failed in the last minute`} · since the start ${counted(gateway.errors, "error")}, ${counted(gateway.retries, "retry", "retries")}`,
  };
}

/** Latency of clients' requests; of captions' it would be the length of sentences. */
export function clientsTile(clients, series) {
  if (clients.timed === 0) return { value: UNKNOWN, series: series.gateway_p95_ms, note: noLatency(clients) };
  const normal = usual(series.gateway_p95_ms);
  const notes = [`of ${counted(clients.timed, "request")} in the last minute`, `p50 ${joined(latency(clients.p50_ms))}`, typeof clients.p99_ms === "number" ? `p99 ${joined(latency(clients.p99_ms))}` : null, normal === null ? null : `p95 usually ${joined(latency(normal))}`];
  return { ...latency(clients.p95_ms), series: series.gateway_p95_ms, note: joinedNotes(notes) };
}

function noLatency({ requests_last_minute: requests }) {
  return requests === 0 ? "no client's request in the last minute" : `${counted(requests, "request")} in the last minute; none reached a back end`;
}

/** From the end of speech to its caption: of the last minutes alone, and how long ago there was one. */
export function captionTile(speech, series) {
  const window = duration(speech.window_seconds);
  const late = speech.waiting_longest >= LATE ? `late: speech has waited for ${duration(Math.round(speech.waiting_longest))}` : null;
  const lost = speech.lost_in_window > 0 ? `${count(speech.lost_in_window)} lost` : null;
  const tile = { series: series.caption_p95_ms, tone: late === null ? "" : "warn" };
  const translating = translatingNote(speech);
  if (speech.captions_timed > 0) {
    const notes = [late, `of ${counted(speech.captions_timed, "caption")} in the last ${window}, the newest ${ago(speech.caption_ago)}`, `p50 ${joined(latency(speech.caption_p50_ms))}`, lost, translating];
    return { ...tile, ...latency(speech.caption_p95_ms), note: joinedNotes(notes) };
  }
  const utterances = speech.utterances_in_window;
  if (speech.utterances === 0) return { ...tile, value: UNKNOWN, note: "no speech since the start" };
  if (utterances === 0) return { ...tile, value: UNKNOWN, note: joinedNotes([late, `no speech in the last ${window}`, lost]) };
  return { ...tile, value: UNKNOWN, note: joinedNotes([late, `no caption of live speech in the last ${window}, of ${counted(utterances, "utterance")}`, lost, translating]) };
}

/** Requests of the last minute to translate lines that still grow, of the session with the most; null without any. */
function translatingNote({ growing_translations_per_minute: used = 0, growing_limit: limit = 0 }) {
  if (used === 0 || limit === 0) return null;
  const most = `${count(used)} of ${counted(limit, "request")} a minute to translate while people speak`;
  return used >= limit ? `${most}: a session has reached its limit` : `${most}, in the session with the most`;
}

/** Requests under way, and how full the room for clients' requests is, where that is known. */
export function flightTile(inFlight, gateway) {
  const unit = inFlight === 1 ? "request" : "requests";
  if (gateway === null) return { value: count(inFlight), unit, note: "right now" };
  const disk = gateway.spooled_bytes > 0 ? `, ${bytes(gateway.spooled_bytes)} of uploads on disk` : "";
  return { value: count(inFlight), unit, note: `right now · ${count(gateway.places)} of ${counted(gateway.places_limit, "place")} for clients' requests used${disk}` };
}

const joinedNotes = (notes) => notes.filter((note) => note !== null).join(" · ");
