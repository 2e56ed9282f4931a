/** Controls of an operator for instances and breakers of the gateway: each is confirmed, and its result is shown. */

import { control } from "../control-api.js";
import { actionsOf, controlled, serviceBreaker, weighing } from "../models/gateway-controls.js";
import { runAction } from "./actions.js";
import { confirm } from "./confirm-dialog.js";
import { h, setText } from "./dom.js";
import { toast } from "./toasts.js";

async function command(button, question, request, done) {
  if (!(await confirm(question))) return;
  const response = await runAction(button, () => control("POST", "/api/gateway/control", request), "");
  if (response !== null) toast(controlled(response, done));
}

/** The controls of one instance; `rows()`: all instances as they are now. */
export class InstanceControls {
  #rows;
  #row = null;
  #actions = h("div", { class: "toolbar" });
  #weight = h("input", { type: "number", min: 1, max: 1000, step: 1, required: true, inputmode: "numeric", id: "control-weight", autocomplete: "off" });
  #note = h("p", { class: "faint small" });
  #shown = "";
  element;

  constructor(rows) {
    this.#rows = rows;
    const form = h(
      "form",
      { class: "toolbar", onsubmit: (event) => this.#weigh(event) },
      h("span", { class: "field" }, h("label", { for: "control-weight" }, "Weight"), this.#weight),
      h("button", { type: "submit", class: "button" }, "Change the weight"),
      h("button", { type: "button", class: "button", onclick: (event) => this.#change(event.currentTarget, null) }, "As in the settings"),
    );
    this.element = h("section", { class: "stack" }, h("h3", {}, "Controls"), this.#actions, form, this.#note);
  }

  /** Show the actions that an instance allows now; buttons stay as long as they mean the same. */
  show(row) {
    const isOther = this.#row?.key !== row.key;
    this.#row = row;
    const actions = actionsOf(row, this.#rows());
    const shown = actions.map(({ verb }) => verb).join("\n");
    if (shown !== this.#shown) {
      const held = this.#actions.contains(document.activeElement);
      this.#actions.replaceChildren(...actions.map(({ action, verb }) => h("button", { type: "button", class: "button", onclick: (event) => this.#act(event.currentTarget, action) }, verb)));
      if (held) this.#actions.querySelector("button")?.focus();
      this.#shown = shown;
    }
    if (isOther) this.#weight.value = String(row.weight);
    setText(this.#note, row.weight === row.configured_weight ? "The weight is that of the settings. Each change is logged with your address." : `The settings say ${row.configured_weight}; an operator has set ${row.weight}. Each change is logged with your address.`);
  }

  #act(button, action) {
    const question = actionsOf(this.#row, this.#rows()).find((each) => each.action === action);
    if (question === undefined) return;
    command(button, question, this.#request(action), DONE[action](this.#row.name));
  }

  #weigh(event) {
    event.preventDefault();
    this.#change(event.submitter, this.#weight.valueAsNumber);
  }

  #change(button, weight) {
    const { name, configured_weight: configured } = this.#row;
    command(button, weighing(this.#row, weight), { ...this.#request("weigh"), weight }, `${name} has the weight ${weight ?? configured}.`);
    if (weight === null) this.#weight.value = String(configured);
  }

  #request(action) {
    return { action, service: this.#row.service, instance: this.#row.url };
  }
}

const DONE = {
  return: (name) => `${name} may get requests again.`,
  drain: (name) => `${name} gets no new requests.`,
  eject: (name) => `${name} is ejected.`,
  trip: (name) => `The breaker of ${name} is open.`,
  reset: (name) => `The breaker of ${name} is closed.`,
};

/** Open or close the breaker of a whole service. */
export function controlServiceBreaker(button, row) {
  const question = serviceBreaker(row);
  const done = `The breaker of ${row.service} is ${question.action === "trip" ? "open" : "closed"}.`;
  return command(button, question, { action: question.action, service: row.service }, done);
}
