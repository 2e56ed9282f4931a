/** The card of alerts: those that fire, what is being done about each, and a button to acknowledge it. */

import { runAction } from "../../components/actions.js";
import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { toast } from "../../components/toasts.js";
import { control } from "../../control-api.js";
import { acknowledgementPath, actionOf, alertState, careText, links, runbookPath, sentence, sourceText } from "../../models/alerts.js";
import { counted } from "../../models/number-format.js";

/** Alerts that are listed before the others are asked for. */
const LISTED = 8;

export class AlertsCard {
  #card = byId("alerts");
  #text = byId("alerts-text");
  #source = byId("alerts-source");
  #list = byId("alerts-list");
  #more = byId("alerts-more");
  #change;
  #isWhole = false;
  #handled = new Map();
  #state = null;

  /** `change(method, path, body)` resolves to a response of the control API, or rejects. */
  constructor({ change = control } = {}) {
    this.#change = change;
    this.#more.onclick = () => {
      this.#isWhole = !this.#isWhole;
      this.show(this.#state);
    };
  }

  /** `state`: the topic `alerts`. */
  show(state) {
    this.#state = state;
    setText(this.#text, sentence(state));
    const trouble = sourceText(state, state.now);
    this.#card.hidden = state.alerts.length === 0 && trouble === "";
    this.#source.hidden = trouble === "";
    setText(this.#source, trouble);
    const rows = this.#inPlace(state.alerts, this.#isWhole ? state.alerts : state.alerts.slice(0, LISTED));
    keyed(this.#list, rows, { key: ({ fingerprint }) => fingerprint, create: (alert) => this.#row(alert), update: (row, alert) => this.#update(row, alert, state.now) });
    this.#list.hidden = rows.length === 0;
    const others = state.alerts.length - LISTED;
    this.#more.hidden = others <= 0;
    setText(this.#more, this.#isWhole ? "Show fewer" : `Show ${counted(others, "more alert")}`);
    const beyond = state.total - state.alerts.length;
    setText(byId("alerts-note"), beyond > 0 ? `${state.alerts.length} of ${state.total}` : "");
  }

  /**
   * The rows keep their order while the pointer is over them or one of them has the focus, and what was
   * acknowledged there stays, which is no longer among the worst: `all` that the service lists, `listed` here.
   */
  #inPlace(all, listed) {
    if (!this.#list.matches(":hover, :focus-within")) {
      this.#handled.clear();
      return listed;
    }
    const find = (alerts, fingerprint) => alerts.find((each) => each.fingerprint === fingerprint);
    const left = [...this.#handled.values()].filter(({ fingerprint }) => !find(listed, fingerprint));
    const rows = [...listed, ...left.map((each) => find(all, each.fingerprint) ?? each)];
    const places = new Map([...this.#list.children].map((row, place) => [row.dataset.key, place]));
    const place = ({ fingerprint }) => places.get(fingerprint) ?? Infinity;
    return rows.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  }

  #row(alert) {
    return h(
      "li",
      { class: "alert-row" },
      pill(),
      h(
        "div",
        { class: "alert-text" },
        h("p", {}, h("strong", { dir: "auto" }, alert.name), " ", h("bdi", { class: "muted", "data-part": "service" }), h("bdi", { dir: "auto", "data-part": "summary" })),
        h("p", { class: "small muted" }, h("bdi", { dir: "auto", "data-part": "impact" }), h("span", { "data-part": "since" }, "Began: ", timeElement(), ". "), h("span", { "data-part": "ended" }, "Over: ", timeElement(), ". "), h("bdi", { dir: "auto", "data-part": "care" })),
        h("p", { class: "small alert-links", "data-part": "links" }),
      ),
      h("button", { type: "button", class: "button button-small", onclick: (event) => this.#act(alert.fingerprint, event.currentTarget) }),
    );
  }

  #update(row, alert, now) {
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    const { word, tone } = alertState(alert);
    setPill(row.querySelector(".pill"), word, tone);
    setAttribute(row, "data-state", alert.state);
    setText(part("service"), alert.service);
    setText(part("summary"), alert.summary ? `: ${alert.summary}` : "");
    setText(part("impact"), alert.impact && alert.ended === null ? `${alert.impact} ` : "");
    setTime(part("since").querySelector("time"), alert.since, now);
    part("ended").hidden = alert.ended === null;
    if (alert.ended !== null) setTime(part("ended").querySelector("time"), alert.ended, now);
    setText(part("care"), careText(alert, now));
    const path = runbookPath(alert);
    const documents = path ? [{ href: null, label: path }, ...links(alert)] : links(alert);
    keyed(part("links"), documents, {
      key: ({ label }) => label,
      create: ({ href, label }) => (href === null ? h("code", {}, label) : h("a", { rel: "noreferrer", target: "_blank" }, label)),
      update: (element, { href }) => href === null || setAttribute(element, "href", href),
    });
    part("links").hidden = documents.length === 0;
    const action = actionOf(alert);
    const button = row.querySelector("button");
    button.hidden = action === null;
    setText(button, action === "undo" ? "Undo" : "Acknowledge");
    setAttribute(button, "aria-label", action === "undo" ? `Undo the acknowledgement of ${alert.name}` : `Acknowledge ${alert.name}`);
  }

  async #act(fingerprint, button) {
    const alert = this.#state.alerts.find((each) => each.fingerprint === fingerprint) ?? this.#handled.get(fingerprint);
    if (alert === undefined) return;
    if (actionOf(alert) === "undo") await this.#withdraw(alert, button);
    else await this.#acknowledge(alert, button);
  }

  async #acknowledge(alert, button) {
    const made = await runAction(button, () => this.#change("POST", acknowledgementPath(alert), {}));
    if (made === null) return;
    this.#replace(made);
    toast(`${alert.name} is acknowledged.`, { action: { label: "Undo", run: () => this.#withdraw(alert, button) } });
  }

  async #withdraw(alert, button) {
    const left = await runAction(button, () => this.#change("DELETE", acknowledgementPath(alert)), `The acknowledgement of ${alert.name} is withdrawn.`);
    if (left !== null) this.#replace(left);
  }

  /** Show what the service has made of an alert, before the topic arrives. */
  #replace(alert) {
    if (alert.fingerprint === undefined) return;
    this.#handled.set(alert.fingerprint, alert);
    const alerts = this.#state.alerts.map((each) => (each.fingerprint === alert.fingerprint ? alert : each));
    this.show({ ...this.#state, alerts });
  }
}
