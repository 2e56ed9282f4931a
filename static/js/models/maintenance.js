/** The maintenance windows of back ends, as banners and in the sentence of a page. Pure: states in, text out. */

import { isolated } from "./bidi.js";
import { dayTime } from "./time-format.js";

/** The back ends that are in a window: those of the topic `services`, or null before it. */
export const inMaintenance = (services) => (services?.services ?? []).filter(({ maintenance }) => (maintenance ?? null) !== null);

/** Whether people are notified of a service's alerts meanwhile. `silence`: {silence, fault} of the topic `alerts`, or null. */
function silenceText(silence) {
  if (silence === null) return "";
  if (silence.silence === "made") return "Alertmanager notifies nobody of its alerts until then.";
  if (silence.silence === "withdrawn") return "Its alerts notify people: their silence was ended in Alertmanager.";
  if (silence.silence !== "waiting") return "";
  return silence.fault ? `Its alerts may still notify people: Alertmanager has no silence of them yet. ${isolated(silence.fault)}` : "Its alerts are being silenced in Alertmanager.";
}

/** The windows that are on, as components/banners.js shows them. `services`, `alerts`: the topics' states, or null. */
export function maintenanceBanners(services, alerts = null) {
  return inMaintenance(services).map(({ name, maintenance: { title, until } }) => {
    const silence = alerts?.maintenance?.find(({ service }) => service === name) ?? null;
    return {
      key: `maintenance ${name}`,
      tone: silence?.silence === "waiting" && silence.fault ? "warn" : "quiet",
      word: "maintenance",
      subject: name,
      text: title ? isolated(title) : "planned work",
      more: [`Until ${dayTime(until)} it is not judged and not restarted.`, silenceText(silence)].filter(Boolean).join(" "),
      since: null,
      action: null,
    };
  });
}
