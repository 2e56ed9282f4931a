/** The text of the Incidents page: its sentence, rows, entries and bars. Pure: states in, text out. */

import { counted, duration, percent, UNKNOWN } from "./number-format.js";
import { absolute, relative } from "./time-format.js";

const IMPACTS = { outage: ["outage", "bad"], degraded: ["degraded", "warn"], recovered: ["works again", "busy"] };
const BARS = {
  up: "up",
  degraded: "degraded",
  partly: "down for a part of the time",
  down: "down",
  planned: "maintenance",
  unknown: "nothing is known",
};

export const KINDS = { outage: ["Outage", "bad"], warning: ["Warning", "warn"], information: ["Information", "quiet"], operational: ["Resolved", "ok"] };

const isOpen = (incident) => incident.ended === null;

/** One sentence about all incidents. `list`: the response of /api/incidents. It has no live figure. */
export function sentence({ open, incidents, now }) {
  if (open > 0) {
    const services = incidents.filter(isOpen).map(({ service }) => service);
    return open === 1 && services.length === 1 ? `One incident is open: ${services[0]}.` : `${counted(open, "incident")} are open.`;
  }
  const [last] = incidents;
  if (last === undefined) return "No incident is open, and there was none in the last 90 days.";
  const ended = relative(last.ended, now);
  return `No incident is open. The last one was over ${ended === "now" ? "just now" : /ago$/.test(ended) ? ended : `at ${ended}`}.`;
}

/** {word, tone} of an incident: how it is now, or that it is over. */
export function incidentState(incident) {
  if (!isOpen(incident)) return { word: "over", tone: "quiet" };
  const [word, tone] = IMPACTS[incident.impact] ?? [incident.impact, "quiet"];
  return { word, tone };
}

export const impactWord = (impact) => IMPACTS[impact]?.[0] ?? String(impact);

/** How long an incident has lasted: until its end, or until `now`. */
export const lasted = (incident, now) => duration(Math.max((incident.ended ?? now) - incident.began, 0));

/** The severity of an entry, as the list of events has it. */
export function entrySeverity({ kind, impact }) {
  if (kind === "closed") return "ok";
  if (kind === "note" || kind === "recovery") return "info";
  return { outage: "bad", degraded: "warn", recovered: "ok" }[impact] ?? "info";
}

/** The name of an entry's kind. */
export const entryKind = ({ kind, stage }) => ({ opened: "Opened", changed: "Changed", recovery: stage ? `Recovery, ${stage}` : "Recovery", note: "Note", closed: "Closed" })[kind] ?? String(kind);

/** "99.95 %", or that nothing is known. Rounded down: 100 % is said only where no second was down. */
export function shareText(uptime) {
  if (typeof uptime?.share !== "number") return UNKNOWN;
  return uptime.share >= 1 ? "100\u00a0%" : `${(Math.floor(uptime.share * 10_000) / 100).toFixed(2)}\u00a0%`;
}

/** How much of a window is known, where that is not all of it. */
export const knownText = (uptime) => (uptime.known >= 0.995 || uptime.share === null ? "" : `${percent(uptime.known)} known`);

/** "up 99.95 % of 24 h", and how much of that is known, where it is not all. */
export function upText(uptime, window) {
  const known = knownText(uptime);
  return `up ${shareText(uptime)} of ${window}${known === "" ? "" : ` (${known})`}`;
}

/** What a bar says: "29 Nov 2026, 10:00:00 · down for a part of the time, 42 s". */
export function barText(bar) {
  const down = bar.down > 0 ? `, ${duration(bar.down)}` : "";
  return `${absolute(bar.start)} · ${BARS[bar.state] ?? bar.state}${down}`;
}

/** The sentence about a row of bars, for screen readers. */
export function barsText(service, uptime) {
  if (uptime.share === null) return `${service}: nothing is known of this time.`;
  const down = uptime.down > 0 ? `down for ${duration(uptime.down)}` : "never down";
  return `${service}: ${percent(uptime.share)} up, ${down}; ${percent(uptime.known)} of the time is known.`;
}

/** Whether and how the announcements are seen. */
export function pageNote(isPublic) {
  return isPublic ? "Anyone can read the current ones at " : "The status page is switched off: nobody can read these. Switch it on with status_page.enabled in the ";
}

/** The last lines of an announcement: since when, until when, or that it is over. */
export function announcementTimes({ announcement, is_current: isCurrent }, now) {
  const since = `since ${relative(announcement.at, now)}`;
  if (announcement.ended !== null) return `${since}; ended ${relative(announcement.ended, now)}`;
  if (!isCurrent) return `${since}; it was shown until ${relative(announcement.until, now)}`;
  return announcement.until === null ? `${since}, until it is ended` : `${since}, until ${absolute(announcement.until)}`;
}
