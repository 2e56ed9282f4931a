/** Back ends, one row an instance: state, reason, checks, latency, share, breaker, restart. */

import { outOfUse, useText } from "../models/gateway-controls.js";
import { count, joined, latency, number, percent } from "../models/number-format.js";
import { answeredText, breakersText } from "../models/overview.js";
import { badness, breakerTone, instanceState } from "../models/state-tones.js";
import { NOTEWORTHY } from "../models/tiles.js";
import { h, setAttribute, setText } from "./dom.js";
import { heartbeats, setHeartbeats } from "./heartbeats.js";
import { pill, setPill } from "./pill.js";
import { restartedBy, restartInstance } from "./actions.js";
import { Table } from "./table.js";

/** What the time to the first byte is: it is what the balancer goes by. */
export const FIRST_BYTE = "recent average; an attempt that fails counts as the route's time-out";

/** Shows the state of an instance in its pill. */
export function setState(cell, row) {
  const { text, tone } = instanceState(row);
  setPill(cell, text, tone);
}

const COLUMNS = {
  name: (href, onlyName = false) => ({
    label: "Instance",
    sort: (row) => row.name,
    create: (row) => h("span", {}, h("a", { class: "row-link", dir: "auto", href: href(row.key) }, row.name), h("span", { class: "cell-sub", dir: "auto" })),
    update: (cell, row) => {
      const reasons = row.state === "healthy" || (row.state === "unknown" && !row.start) || onlyName ? "" : row.reasons.join("; ");
      setText(cell.lastElementChild, reasons || row.url);
    },
  }),
  state: () => ({
    label: "State",
    keep: true,
    sort: (row) => badness(row.state),
    create: () => pill(),
    update: (cell, row) => setState(cell, row),
  }),
  checks: () => ({ label: "Checks", keep: true, full: true, create: heartbeats, update: (cell, row) => setHeartbeats(cell, row.checks) }),
  checksP95: () => ({ label: "Check, p95", number: true, keep: true, sort: (row) => row.p95_ms, text: (row) => joined(latency(row.p95_ms)) }),
  share: () => ({ label: "Share", number: true, extra: true, sort: (row) => row.share, text: (row) => percent(row.share) }),
  answered: () => ({
    label: "Answered",
    number: true,
    keep: true,
    sort: (row) => row.answered,
    update: (cell, row) => {
      setText(cell, percent(row.answered));
      setAttribute(cell, "title", answeredText(row) || null);
    },
  }),
  requests: () => ({ label: "Attempts", number: true, sort: (row) => row.requests_last_minute, text: (row) => count(row.requests_last_minute) }),
  errors: () => ({
    label: "Failed",
    number: true,
    sort: (row) => row.errors_last_minute,
    update: (cell, row) => {
      const { requests_last_minute: attempts, errors_last_minute: failed } = row;
      const isMuch = failed > attempts * NOTEWORTHY;
      setText(cell, count(failed));
      cell.classList.toggle("is-bad", isMuch);
      setAttribute(cell, "title", isMuch ? `more than ${percent(NOTEWORTHY)} of the attempts` : null);
    },
  }),
  breaker: () => ({
    label: "Breaker",
    sort: (row) => row.breaker,
    create: () => h("span", {}),
    update: (cell, row) => {
      setText(cell, breakersText(row));
      const tone = breakerTone(row.breaker);
      cell.className = tone === "quiet" ? "" : `is-${tone}`;
    },
  }),
  /** The breaker's column on the Gateway page, which stays on a phone. */
  keptBreaker: () => ({ ...COLUMNS.breaker(), keep: true, tagged: true }),
  /** What keeps requests away: an operator, an ejection, or a breaker with its time. */
  use: () => ({
    label: "Use",
    keep: true,
    tagged: true,
    sort: (row) => (outOfUse(row) === null ? 0 : 1),
    create: () => h("span", { class: "fill fill-narrow" }, h("span", {}), h("progress", { max: 1, "aria-label": "Slow start", hidden: true })),
    update: (cell, row) => {
      const [words, bar] = cell.children;
      const { text, isOut, share } = useText(row);
      setText(words, text);
      words.className = isOut ? "is-warn" : "";
      bar.hidden = share === null;
      if (share === null) return;
      setAttribute(bar, "value", share);
      setAttribute(bar, "aria-valuetext", percent(share));
    },
  }),
  weight: () => ({ label: "Weight", number: true, sort: (row) => row.weight, text: (row) => (row.weight_now === null || row.weight_now === row.weight ? count(row.weight) : `${number(row.weight_now)} of ${count(row.weight)}`) }),
  flight: () => ({ label: "In flight", number: true, sort: (row) => row.in_flight, text: (row) => count(row.in_flight) }),
  firstByte: () => ({
    label: "First byte",
    number: true,
    sort: (row) => row.first_byte_ms,
    update: (cell, row) => {
      setText(cell, joined(latency(row.first_byte_ms)));
      setAttribute(cell, "title", row.first_byte_ms === null ? null : FIRST_BYTE);
    },
  }),
  restart: () => ({
    label: "",
    name: "Restart",
    extra: true,
    create: (row) => h("button", { type: "button", class: "button button-small", onclick: (event) => restartInstance(row, event.currentTarget), "aria-label": `Restart ${restartedBy(row)}` }, "Restart"),
    update: (cell, row) => {
      cell.hidden = !row.restartable;
      setAttribute(cell, "title", row.restartable ? null : "Not started by the service");
    },
  }),
};

const OVERVIEW = ["name", "state", "checks", "checksP95", "share", "answered", "breaker", "restart"];

export class InstanceTable extends Table {
  constructor({ href, onOpen, columns = OVERVIEW, caption = "Back ends" }) {
    super({
      caption,
      columns: columns.map((name) => COLUMNS[name](href)),
      key: (row) => row.key,
      words: (row) => [row.name, row.url, row.service, row.state, ...row.reasons],
      href: (row) => href(row.key),
      onOpen,
    });
  }
}
