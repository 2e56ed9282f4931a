/** Back ends, one row an instance: state, reason, checks, latency, share, uptime, breaker, restart. */

import { count, joined, latency, percent } from "../models/figures.js";
import { breakersInWords } from "../models/overview.js";
import { badness, breakerTone, serviceTone, word } from "../models/states.js";
import { h, setAttribute, setText } from "./dom.js";
import { heartbeats, setHeartbeats } from "./heartbeats.js";
import { pill, setPill } from "./pill.js";
import { restartService } from "./restarts.js";
import { Table } from "./table.js";

/** Errors are shown as wrong from this share of requests on: the service's own default threshold. */
const NOTEWORTHY = 0.05;

/** Health's measure of one check where no request went there lately. */
const p95 = (row) => row.gateway_p95_ms ?? row.p95_ms;

const COLUMNS = {
  name: (href, onlyName = false) => ({
    label: "Instance",
    sort: (row) => row.name,
    create: (row) => h("span", {}, h("a", { class: "row-link", href: href(row.key) }, row.name), h("span", { class: "cell-sub" })),
    update: (cell, row) => {
      const reasons = row.state === "healthy" || row.state === "unknown" || onlyName ? "" : row.reasons.join("; ");
      setText(cell.lastElementChild, reasons || row.url);
    },
  }),
  state: () => ({
    label: "State",
    keep: true,
    sort: (row) => badness(row.state),
    create: () => pill(),
    update: (cell, row) => setPill(cell, word(row.state), serviceTone(row.state)),
  }),
  checks: () => ({ label: "Checks", keep: true, full: true, create: heartbeats, update: (cell, row) => setHeartbeats(cell, row.checks) }),
  p95: () => ({ label: "p95", number: true, keep: true, sort: p95, text: (row) => joined(latency(p95(row))) }),
  share: () => ({ label: "Share", number: true, extra: true, sort: (row) => row.share, text: (row) => percent(row.share) }),
  uptime: () => ({ label: "Uptime", number: true, keep: true, sort: (row) => row.uptime, text: (row) => percent(row.uptime) }),
  requests: () => ({ label: "Requests", number: true, sort: (row) => row.requests, text: (row) => count(row.requests) }),
  errors: () => ({
    label: "Errors",
    number: true,
    sort: (row) => row.errors,
    update: (cell, row) => {
      setText(cell, count(row.errors));
      cell.classList.toggle("is-bad", row.errors > row.requests * NOTEWORTHY);
    },
  }),
  breaker: () => ({
    label: "Breaker",
    sort: (row) => row.breaker,
    create: () => h("span", {}),
    update: (cell, row) => {
      setText(cell, breakersInWords(row));
      const tone = breakerTone(row.breaker);
      cell.className = tone === "quiet" ? "" : `is-${tone}`;
    },
  }),
  /** On the Gateway page it is what one came to see. */
  keptBreaker: () => ({ ...COLUMNS.breaker(), keep: true, tagged: true }),
  restart: () => ({
    label: "",
    name: "Restart",
    extra: true,
    create: (row) => h("button", { type: "button", class: "button button-small", onclick: (event) => restartService(row.service, event.currentTarget), "aria-label": `Restart ${row.service}` }, "Restart"),
    update: (cell, row) => {
      cell.hidden = !row.restartable;
      setAttribute(cell, "title", row.restartable ? null : "Not started from here");
    },
  }),
};

const OVERVIEW = ["name", "state", "checks", "p95", "share", "uptime", "breaker", "restart"];

export class InstanceTable extends Table {
  constructor({ href, onOpen, columns = OVERVIEW, caption = "Back ends" }) {
    super({
      caption,
      columns: columns.map((name) => COLUMNS[name](href)),
      key: (row) => row.key,
      href: (row) => href(row.key),
      onOpen,
    });
  }
}
