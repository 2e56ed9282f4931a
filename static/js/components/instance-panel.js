/** The side panel with the details of one instance of a back end. */

import { placesText, useText } from "../models/gateway-controls.js";
import { count, counted, joined, latency, number, percent } from "../models/number-format.js";
import { answeredText, flowP95, laneText, startText } from "../models/overview.js";
import { h, setText } from "./dom.js";
import { facts, showFacts } from "./fact-list.js";
import { heartbeats, setHeartbeats } from "./heartbeats.js";
import { pill } from "./pill.js";
import { restartedBy, restartInstance, stopRecovery } from "./actions.js";
import { FIRST_BYTE, setState } from "./instance-table.js";
import { RowPanel } from "./row-panel.js";
import { setTime, timeElement } from "./time-element.js";

export class InstancePanel extends RowPanel {
  #find;
  #controls;

  /**
   * `row(key)`: the instance (models/overview.js `instances`), as in components/row-panel.js. `controls`: an operator's
   * (components/gateway-controls.js), or null.
   */
  constructor(dialog, { row, controls = null }) {
    super(dialog, "instance");
    this.#find = row;
    this.#controls = controls;
  }

  row(key) {
    return this.#find(key);
  }

  missing() {
    return { text: "This instance does not exist.", next: "It may have been removed from the settings." };
  }

  update({ state, reasons, output, beats, list, since, recovery, stop }, row) {
    this.title(row.name);
    setState(state, row);
    setText(output, (row.start?.output ?? []).join("\n"));
    output.hidden = !row.start?.output.length;
    setText(reasons, row.reasons.join("; "));
    setText(recovery, row.recovery?.text ?? "");
    stop.hidden = !row.recovery;
    this.#controls?.show(row);
    setHeartbeats(beats, row.checks);
    setTime(since, row.since);
    showFacts(list, [
      ["Address", row.url],
      ["State began", since],
      ["Start", startText(row)],
      ["Engine", row.engine],
      ["Notice", row.notice ?? null],
      ["Last check took", joined(latency(row.latency_ms))],
      ["Checks, p95", joined(latency(row.p95_ms))],
      ["Checks answered", answeredText(row) || "none counted yet"],
      ["Clients' requests, p95, last minute", joined(latency(flowP95(row, "requests")))],
      ["Captions' requests, p95, last minute", joined(latency(flowP95(row, "captions")))],
      ["Share of attempts, last minute", percent(row.share)],
      ["Weight", row.weight_now === null || row.weight_now === row.weight ? count(row.weight) : `${number(row.weight_now)} of ${count(row.weight)}, growing since it returned`],
      ["Requests", useText(row).text],
      ["In flight", row.sockets > 0 ? `${count(row.in_flight)}, and ${counted(row.sockets, "WebSocket")}` : count(row.in_flight)],
      ["Places", placesText(row)],
      ["Warm-up", row.warm_up === "off" ? null : row.warm_up],
      ["Time to the first byte", row.first_byte_ms === null ? null : `${joined(latency(row.first_byte_ms))} (${FIRST_BYTE})`],
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

  build(row) {
    const parts = { state: pill(), reasons: h("p", { class: "muted", dir: "auto" }), output: h("pre", { class: "code", dir: "auto", tabindex: "0", "aria-label": "Last lines of its output", hidden: true }), recovery: h("p", { dir: "auto" }), beats: heartbeats(), list: facts(), since: timeElement() };
    parts.stop = h("p", { hidden: true }, h("button", { type: "button", class: "button", onclick: (event) => stopRecovery(row.service, event.currentTarget) }, `Stop the recovery of ${row.service}`));
    const button = row.restartable
      ? h("p", {}, h("button", { type: "button", class: "button button-danger", onclick: (event) => restartInstance(row, event.currentTarget) }, `Restart ${restartedBy(row)}`))
      : h("p", { class: "faint small" }, "The service did not start this process, and it has no restart hook.");
    const nodes = [h("div", { class: "stack" }, h("p", {}, parts.state), parts.reasons, parts.output, parts.recovery), h("section", {}, h("h3", {}, "Last 45 checks"), parts.beats), parts.list, ...(this.#controls === null ? [] : [this.#controls.element]), parts.stop, button];
    return { ...parts, nodes };
  }
}
