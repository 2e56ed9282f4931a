/** The parameters of one stage: slider and number, unit, mark of the default, reset, help; faults at each. */

import { figure } from "../../models/audio-curves.js";
import { valueAt } from "../../models/pipeline-settings.js";
import { h, setAttribute, setText } from "../dom.js";

const decimals = (step) => (String(step).split(".")[1] ?? "").length;

export class ParameterList {
  #rows = new Map();
  #change;
  #settle;
  #schema;

  /** `change(path, value)` for each movement; `settle()` when a control is let go. */
  constructor(schema, group, { change, settle }) {
    this.#schema = schema;
    this.#change = change;
    this.#settle = settle;
    this.element = h("div", { class: "parameters" });
    const sections = new Map([[null, this.element]]);
    for (const parameter of schema.ofGroup(group)) {
      const { section } = parameter;
      if (!sections.has(section)) {
        const box = h("fieldset", { class: "parameter-section" }, h("legend", { class: "visually-hidden" }, parameter.title));
        sections.set(section, box);
        this.element.append(box);
      }
      sections.get(section).append(this.#row(parameter));
    }
  }

  /** `faults`: [{path, expected}] of the rules. */
  show({ parameters }, faults) {
    for (const [path, row] of this.#rows) {
      row.fill(valueAt(parameters, path));
      const fault = faults.find((each) => each.path === path);
      row.complain(fault ? `Expected ${fault.expected}.` : "");
    }
  }

  /** Move the focus to a parameter's control. */
  focus(path) {
    this.#rows.get(path)?.control.focus();
  }

  #row(parameter) {
    const id = `p-${parameter.path.replaceAll(".", "-")}`;
    const fault = h("p", { class: "parameter-fault is-bad small", id: `${id}-fault`, hidden: true, "aria-live": "polite" });
    const help = h("p", { class: "parameter-help small muted", id: `${id}-help` }, parameter.help);
    const initial = this.#schema.words(parameter, parameter.initial);
    const reset = h("button", { type: "button", class: "button button-small button-plain parameter-reset", "aria-label": `Reset ${this.#name(parameter)} to ${initial}`, title: `Reset to ${initial}`, onclick: () => (this.#change(parameter.path, parameter.initial), this.#settle()) }, "Reset");
    const described = `${id}-help ${id}-fault`;
    const make = { switch: () => this.#switch(parameter, id, described), choice: () => this.#choice(parameter, id, described) }[parameter.kind] ?? (() => this.#number(parameter, id, described));
    const { control, controls, fill, rejected = () => "" } = make();
    const element = h("div", { class: "parameter", "data-kind": parameter.kind, "data-heads": parameter.section !== null && parameter.name.endsWith(".enabled"), "data-path": parameter.path }, h("label", { class: "parameter-label", for: id }, parameter.title), h("div", { class: "parameter-controls" }, controls, reset), help, fault);
    this.#rows.set(parameter.path, {
      control,
      fill: (value) => {
        fill(value);
        setAttribute(element, "data-changed", value !== parameter.initial);
        reset.disabled = value === parameter.initial;
      },
      complain: (text) => {
        const words = text || rejected();
        setText(fault, words);
        fault.hidden = words === "";
        for (const each of [controls].flat()) if (each.matches?.("input, select")) setAttribute(each, "aria-invalid", words === "" ? null : "true");
      },
    });
    return element;
  }

  /** Of controls: "Compressor: Threshold", since there are several thresholds. */
  #name({ title, section, path, group }) {
    const of = section === null ? null : this.#schema.parameters.get(`${group}.${section}.enabled`)?.title;
    return of && !path.endsWith(".enabled") ? `${of}: ${title}` : title;
  }

  #switch(parameter, id, described) {
    const control = h("input", { type: "checkbox", role: "switch", class: "switch", id, "aria-describedby": described, onchange: () => (this.#change(parameter.path, control.checked), this.#settle()) });
    return { control, controls: control, fill: (value) => (control.checked = value) };
  }

  #choice(parameter, id, described) {
    const control = h("select", { id, class: "parameter-choice", "aria-describedby": described, autocomplete: "off", onchange: () => (this.#change(parameter.path, parameter.choices[control.selectedIndex]), this.#settle()) });
    control.append(...parameter.choices.map((choice) => h("option", { value: String(choice) }, this.#schema.words(parameter, choice))));
    return { control, controls: control, fill: (value) => (control.value = String(value)) };
  }

  #number(parameter, id, described) {
    const { path, minimum, maximum, step, unit, initial } = parameter;
    const name = this.#name(parameter);
    const slider = h("input", { type: "range", id, class: "slider", min: minimum, max: maximum, step, "aria-label": name, "aria-describedby": described });
    const field = h("input", { type: "number", class: "parameter-number", min: minimum, max: maximum, step: "any", inputmode: "decimal", "aria-label": `${name}, as a number${unit ? ` in ${unit}` : ""}`, "aria-describedby": described, autocomplete: "off" });
    let wrong = "";
    const change = (value) => {
      const expected = this.#schema.expectedOf(parameter, value);
      wrong = expected === null ? "" : `Expected ${expected}.`;
      if (expected === null) this.#change(path, value);
      else this.#rows.get(path).complain("");
    };
    slider.addEventListener("input", () => ((wrong = ""), change(Number(Number(slider.value).toFixed(decimals(step))))));
    // Steps with the keyboard are one change until the focus leaves.
    for (const name of ["pointerup", "blur"]) slider.addEventListener(name, () => this.#settle());
    field.addEventListener("input", () => change(field.value === "" ? NaN : Number(field.value)));
    field.addEventListener("change", () => this.#settle());
    const mark = h("span", { class: "slider-mark", "aria-hidden": "true", title: `default: ${figure(initial)} ${unit}`.trimEnd() });
    const share = (value) => String((value - minimum) / (maximum - minimum));
    mark.style.setProperty("--share", share(initial));
    return {
      control: slider,
      controls: [h("span", { class: "slider-box" }, slider, mark), h("span", { class: "parameter-figure" }, field, h("span", { class: "parameter-unit small muted", "aria-hidden": "true" }, unit))],
      rejected: () => wrong,
      fill: (value) => {
        // What is being typed stays as it is.
        if (wrong === "" || document.activeElement !== field) {
          wrong = "";
          if (Number(field.value) !== value || field.value === "") field.value = String(value);
        }
        slider.value = String(value);
        slider.style.setProperty("--share", share(value));
        setAttribute(slider, "aria-valuetext", `${figure(value)} ${unit}`.trimEnd());
      },
    };
  }
}
