/** The side panel of one connection: its counters, and a button that closes it. */

import { runAction } from "../../components/actions.js";
import { confirm } from "../../components/confirm-dialog.js";
import { h } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { Panel } from "../../components/panel.js";
import { pill, setPill } from "../../components/pill.js";
import { Polling } from "../../components/polling.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { control } from "../../control-api.js";
import { isolated } from "../../models/bidi.js";
import { activityPill, closeConfirmation, moreSessions } from "../../models/connections.js";
import { bytes, count, number } from "../../models/number-format.js";
import { placeOf } from "../../models/workers.js";
import { sessionLink } from "../../components/session-list.js";

export class ConnectionPanel {
  #socket;
  #panel;
  #list;
  /** Looks for a connection that neither list has. */
  #lookup;
  /** The topic `connections`, or null until known. */
  #state = null;
  /** The elements that are filled in, and the row that they show; null while there is none. */
  #parts = null;

  /** `get(path)`: the control API; `list()`: the ConnectionList beside it. */
  constructor(dialog, { socket, get, list }) {
    this.#socket = socket;
    this.#list = list;
    this.#lookup = new Polling({ fetch: get });
    this.#panel = new Panel(dialog, { field: "connection", onChange: () => this.#changed() });
  }

  start() {
    this.#panel.start();
  }

  stop() {
    this.#lookup.stop();
    this.#panel.stop();
  }

  href(key) {
    return this.#panel.href(key);
  }

  open(key) {
    this.#panel.open(key);
  }

  /** `state`: the topic `connections`. */
  show(state) {
    this.#state = state;
    this.#refresh();
  }

  /** Another connection is open now, or none. */
  #changed() {
    this.#parts = null;
    this.#lookup.stop();
    this.#refresh();
  }

  #refresh() {
    const { key } = this.#panel;
    this.#list().select(key);
    if (key === null || this.#state === null) return;
    const row = this.#list().row(key);
    if (row !== undefined || this.#state.connections.length >= this.#state.active) {
      this.#lookup.stop();
      this.#showRow(row);
      return;
    }
    this.#lookup.poll(`/api/connections?${new URLSearchParams({ find: key, limit: 10 })}`, ({ data, error }) => {
      if (error === null) this.#showRow(data.connections.find(({ connection_id }) => connection_id === key));
      else if (this.#parts === null) this.#panel.body.replaceChildren(emptyState("This connection cannot be looked up right now.", error.message));
    });
  }

  #showRow(row) {
    if (row === undefined) {
      this.#parts = null;
      this.#panel.body.replaceChildren(emptyState("This connection has ended.", "It is no longer in the list of open connections."));
      return;
    }
    this.#parts ??= this.#build();
    this.#parts.row = row;
    const { state, list, since, sessions } = this.#parts;
    const { word, tone } = activityPill(row);
    this.#panel.title(row.name ?? row.address);
    setPill(state, word, tone);
    setTime(since, row.since);
    showSessionLinks(sessions, row);
    showFacts(list, [
      ["Connection", row.connection_id],
      ["Address", row.address],
      ["Program", row.agent ?? "unknown"],
      ["Worker", this.#state.workers.length > 1 ? placeOf(row.worker, this.#state.workers) : null],
      ["Opened", since],
      ["Sessions", row.sessions.length > 0 ? sessions : "none"],
      ["Messages in", `${count(row.received)}, ${number(this.#list().rate(row, "received"))}/s`],
      ["Messages out", `${count(row.sent)}, ${number(this.#list().rate(row, "sent"))}/s`],
      ["Waiting for it", `${bytes(row.queued_bytes)} of ${bytes(this.#state.outbox_limit)}`],
    ]);
  }

  #build() {
    const parts = { row: null, state: pill(), list: facts(), since: timeElement(), sessions: h("span", {}) };
    const close = h("button", { type: "button", class: "button button-danger", onclick: ({ currentTarget }) => this.#close(parts.row, currentTarget) }, "Close this connection");
    this.#panel.body.replaceChildren(h("p", {}, parts.state), parts.list, h("p", {}, close));
    return parts;
  }

  async #close(row, button) {
    const isOwn = this.#socket.connection?.connection_id === row.connection_id;
    if (!(await confirm({ ...closeConfirmation(row, isOwn), isDangerous: true }))) return;
    const path = `/api/connections/${encodeURIComponent(row.connection_id)}`;
    await runAction(button, () => control("DELETE", path), `The connection of ${isolated(row.name ?? row.address)} is being closed.`);
  }
}

/** Links stay in place while the sessions are the same, so that they keep the focus. */
function showSessionLinks(element, row) {
  const ids = row.sessions.join(" ");
  if (element.dataset.ids === ids) return;
  element.dataset.ids = ids;
  element.replaceChildren(...row.sessions.flatMap((id, index) => (index > 0 ? [", ", sessionLink(id)] : [sessionLink(id)])), moreSessions(row));
}
