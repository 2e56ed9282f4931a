/** The side panel with the details of one instance of a back end. */

import { outOfUse } from "../models/gateway-controls.js";
import { count, joined, latency, number, percent } from "../models/number-format.js";
import { answeredText, flowP95, laneText } from "../models/overview.js";
import { serviceTone, word } from "../models/state-tones.js";
import { h, setText } from "./dom.js";
import { emptyState } from "./empty-state.js";
import { facts, showFacts } from "./fact-list.js";
import { heartbeats, setHeartbeats } from "./heartbeats.js";
import { Panel } from "./panel.js";
import { pill, setPill } from "./pill.js";
import { restartService, stopRecovery } from "./actions.js";
import { setTime, timeElement } from "./time-element.js";

export class InstancePanel {
  #panel;
  #row;
  #parts = null;
  #controls;

  /**
   * `row(key)`: the instance (models/overview.js `instances`), or null while there is none. `controls`: an operator's
   * (components/gateway-controls.js), or null.
   */
  constructor(dialog, { row, controls = null }) {
    this.#row = row;
    this.#controls = controls;
    this.#panel = new Panel(dialog, {
      field: "instance",
      onChange: () => {
        this.#parts = null;
        this.refresh();
      },
    });
  }

  href(key) {
    return this.#panel.href(key);
  }

  open(key) {
    this.#panel.open(key);
  }

  start() {
    this.#panel.start();
  }

  stop() {
    this.#panel.stop();
  }

  refresh() {
    const { key } = this.#panel;
    if (key === null) return;
    const row = this.#row(key);
    if (row === null) {
      this.#parts = null;
      this.#panel.body.replaceChildren(emptyState("This instance does not exist.", "It may have been removed from the settings."));
      return;
    }
    this.#parts ??= this.#build(row);
    const { state, reasons, beats, list, since, recovery } = this.#parts;
    this.#panel.title(row.name);
    setPill(state, word(row.state), serviceTone(row.state));
    setText(reasons, row.reasons.join("; "));
    setText(recovery, row.recovery?.text ?? "");
    this.#parts.stop.hidden = !row.recovery;
    this.#controls?.show(row);
    setHeartbeats(beats, row.checks);
    setTime(since, row.since);
    showFacts(list, [
      ["Address", row.url],
      ["State began", since],
      ["Engine", row.engine],
      ["Notice", row.notice ?? null],
      ["Last check took", joined(latency(row.latency_ms))],
      ["Checks, p95", joined(latency(row.p95_ms))],
      ["Checks answered", answeredText(row) || "none counted yet"],
      ["Clients' requests, p95, last minute", joined(latency(flowP95(row, "requests")))],
      ["Captions' requests, p95, last minute", joined(latency(flowP95(row, "captions")))],
      ["Share of attempts, last minute", percent(row.share)],
      ["Weight", row.weight_now === null || row.weight_now === row.weight ? count(row.weight) : `${number(row.weight_now)} of ${count(row.weight)}, growing since it returned`],
      ["Requests", outOfUse(row)],
      ["In flight", count(row.in_flight)],
      ["Usual time to the first byte", joined(latency(row.first_byte_ms))],
      ["Attempts", `${count(row.requests_last_minute)} in the last minute, ${count(row.requests)} since the start`],
      ["Failed", `${count(row.errors_last_minute)} in the last minute, ${count(row.errors)} since the start`],
      ["Captions", laneText(row.lanes, "captions")],
      ["Clients' requests", laneText(row.lanes, "requests")],
      ["Certificate expires", row.certificate_until === undefined ? null : `${new Date(row.certificate_until * 1000).toISOString().slice(0, 10)} (UTC)`],
      ["Flaps", row.is_flapping ? "yes: it needs more good checks than usual" : null],
      ["Restarts since the start", count(row.restarts)],
      ["Process", row.pid === null ? null : String(row.pid)],
    ]);
  }

  #build(row) {
    const parts = { state: pill(), reasons: h("p", { class: "muted", dir: "auto" }), recovery: h("p", { dir: "auto" }), beats: heartbeats(), list: facts(), since: timeElement() };
    parts.stop = h("p", { hidden: true }, h("button", { type: "button", class: "button", onclick: (event) => stopRecovery(row.service, event.currentTarget) }, `Stop the recovery of ${row.service}`));
    const button = row.restartable
      ? h("p", {}, h("button", { type: "button", class: "button button-danger", onclick: (event) => restartService(row.service, event.currentTarget) }, `Restart ${row.service}`))
      : h("p", { class: "faint small" }, "The service did not start this process, and it has no restart hook.");
    this.#panel.body.replaceChildren(h("div", { class: "stack" }, h("p", {}, parts.state), parts.reasons, parts.recovery), h("section", {}, h("h3", {}, "Last 45 checks"), parts.beats), parts.list, ...(this.#controls === null ? [] : [this.#controls.element]), parts.stop, button);
    return parts;
  }
}
