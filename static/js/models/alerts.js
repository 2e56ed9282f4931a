/** The text of the alerts on the Overview: a sentence, rows, and what is known of their source. Pure: states in, text out. */

import { isolated } from "./bidi.js";
import { counted, duration } from "./number-format.js";
import { ago, clockTime, relative } from "./time-format.js";

const TONES = { critical: "bad", warning: "warn", info: "quiet" };
const STATES = {
  acknowledged: ["acknowledged", "busy"],
  silenced: ["silenced", "quiet"],
  inhibited: ["follows another", "quiet"],
  resolved: ["over", "ok"],
};

/** How many alerts somebody should look at: "1 critical alert and 2 warnings fire." It has no live figure. */
export function sentence({ firing, alerts }) {
  const parts = [
    firing.critical > 0 && counted(firing.critical, "critical alert"),
    firing.warning > 0 && counted(firing.warning, "warning"),
    firing.info > 0 && counted(firing.info, "notice"),
  ].filter(Boolean);
  if (parts.length > 0) {
    const one = firing.critical + firing.warning + firing.info === 1;
    return `${parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0]} ${one ? "fires" : "fire"}.`;
  }
  const taken = alerts.filter(({ ended }) => ended === null).length;
  if (taken > 0) return taken === 1 ? "The one alert that fires is taken care of." : `All ${taken} alerts that fire are taken care of.`;
  return "No alert fires.";
}

/** What is wrong with the source of alerts, or "". `now` in seconds since the epoch. */
export function sourceText({ source }, now) {
  if (source.state === "away") {
    return `Alertmanager has been away for ${duration(Math.max(now - source.since, 1))}: ${isolated(source.reason)} Alerts shown here may be old. Acknowledgements are stored, and silence it when it is back.`;
  }
  if (source.is_quiet) {
    const seen = source.watchdog === null ? "has never arrived" : `last arrived ${ago(now - source.watchdog)}`;
    return `No alert may arrive: the one that always fires (Watchdog) ${seen}. Look at Prometheus and its connection to Alertmanager.`;
  }
  return "";
}

/** {word, tone} of an alert: its severity while somebody should look at it, else why not. */
export function alertState({ state, severity }) {
  const [word, tone] = STATES[state] ?? [severity || "alert", TONES[severity] ?? "warn"];
  return { word, tone };
}

/** What is being done about an alert, as sentences. `now` in seconds since the epoch. */
export function careText(alert, now) {
  const given = alert.acknowledgement;
  if (given !== null) {
    const why = given.comment ? `: ${isolated(given.comment)}` : "";
    const silence = given.silence === "waiting" ? ` Its silence waits for Alertmanager, which may still notify${given.fault ? `: ${isolated(given.fault)}` : "."}` : "";
    return `Acknowledged by ${isolated(given.by)} until ${clockTime(given.until)}${why}${/[.!?]$/.test(why) ? "" : "."}${silence}`;
  }
  if (alert.ended !== null) return "";
  if (alert.state === "silenced") return "It was silenced in Alertmanager.";
  if (alert.state === "inhibited") return "Nobody is notified of it while the alert fires that it follows from.";
  if (alert.escalation_fault) return `It cannot be escalated: ${isolated(alert.escalation_fault)}`;
  if (alert.escalated !== null) return `Nobody acknowledged it; it was escalated ${relative(alert.escalated, now)}.`;
  if (alert.escalates_at !== null) return `It is escalated ${relative(alert.escalates_at, now)} unless somebody acknowledges it.`;
  return "";
}

/** The documents of an alert that a browser can open: [{href, label}]. A path is one of the project, shown as text. */
export function links(alert) {
  return [
    { href: alert.runbook_url, label: "What to do" },
    { href: alert.dashboard, label: "Dashboard" },
    { href: alert.query_url, label: "Query" },
  ].filter(({ href }) => /^https?:\/\//.test(href));
}

/** The runbook's path where it is not a URL, or "". */
export const runbookPath = ({ runbook_url: path }) => (path && !/^https?:\/\//.test(path) ? path : "");

/** What an operator can do: "acknowledge", "undo" or null. */
export function actionOf({ state, ended, acknowledgement }) {
  if (ended !== null) return null;
  if (acknowledgement !== null) return "undo";
  return state === "firing" ? "acknowledge" : null;
}

/** Where the acknowledgement of an alert is made and withdrawn. */
export const acknowledgementPath = ({ fingerprint }) => `/api/alerts/${encodeURIComponent(fingerprint)}/acknowledgement`;
