/** The ten stages as a flow: each with its levels in and out, a switch, and a light; one is selected. */

import { decibels, FLOOR_DB, share } from "../../models/levels.js";
import { activityWords, levelWords } from "../../models/pipeline-text.js";
import { h, setAttribute, setText } from "../dom.js";
import { pill } from "../pill.js";

/** A meter falls by this many dB a second. */
const FALL = 40;
/** Words change this often (s): faster nobody reads. */
const WORDS_EVERY = 0.15;

export class StageFlow {
  #cards = new Map();
  #wordsAt = -Infinity;
  #stages;

  /** `select(stage)`, `toggle(stage)` are called for clicks. */
  constructor(stages, { select, toggle }) {
    this.#stages = stages;
    this.element = h("ol", { class: "flow", "aria-label": "Stages, in the order in which sound passes them" });
    stages.forEach((stage, index) => {
      const card = new StageCard(stage, index + 1, { select, toggle });
      this.#cards.set(stage.id, card);
      this.element.append(card.element);
    });
  }

  /** Show which stages are on; `selected`: the one whose parameters are open; `faulty`: stages with faults. */
  show({ enabledStages, pausedAt }, { selected, faulty }) {
    const pause = pausedAt === null ? Infinity : this.#stages.findIndex(({ id }) => id === pausedAt);
    this.#stages.forEach(({ id }, index) => {
      // `resample` and `final` stay on: the output keeps its rate.
      const isPausedBefore = index > pause && id !== "resample" && id !== "final";
      this.#cards.get(id).show({ isOn: enabledStages.includes(id), isPausedBefore, isPaused: id === pausedAt, isSelected: id === selected, isFaulty: faulty.has(id) });
    });
    this.#wordsAt = -Infinity;
  }

  /** Draw the levels of a report, or nothing where it is null. `now` in seconds. */
  draw(report, now) {
    const isReadable = now - this.#wordsAt >= WORDS_EVERY;
    if (isReadable) this.#wordsAt = now;
    let before = null;
    for (const { id } of this.#stages) {
      const after = report === null ? null : report.levels[id].rms;
      this.#cards.get(id).draw(before ?? after, after, report, now, isReadable);
      before = after;
    }
  }

  focus(stage) {
    this.#cards.get(stage).focus();
  }
}

class StageCard {
  #stage;
  #state = {};
  #name;
  #switch = null;
  #paused = pill("paused", "warn");
  #faulty = pill("fault", "bad");
  #light = h("span", { class: "light" });
  #lightText = h("span", {});
  #meters = [new Meter("in"), new Meter("out")];

  constructor(stage, number, { select, toggle }) {
    this.#stage = stage;
    this.#name = h("button", { type: "button", class: "stage-name", "aria-controls": "stage-detail", "aria-expanded": "false", onclick: () => select(stage.id) }, stage.title);
    if (stage.canBeOff) this.#switch = h("input", { type: "checkbox", role: "switch", class: "switch", "aria-label": `${stage.title} on`, onchange: () => toggle(stage.id) });
    this.#light.append(h("span", { class: "light-dot", "aria-hidden": "true" }), this.#lightText);
    this.element = h(
      "li",
      { class: "stage", "data-stage": stage.id },
      h("div", { class: "stage-head" }, h("span", { class: "stage-number muted", "aria-hidden": "true" }, String(number)), this.#name, this.#switch),
      h("div", { class: "stage-meters" }, ...this.#meters.map(({ element }) => element)),
      h("div", { class: "stage-foot" }, this.#light, this.#paused, this.#faulty),
    );
  }

  show(state) {
    this.#state = state;
    const { isOn, isPausedBefore, isPaused, isSelected, isFaulty } = state;
    setAttribute(this.element, "data-on", String(isOn && !isPausedBefore));
    setAttribute(this.element, "data-selected", String(isSelected));
    setAttribute(this.#name, "aria-expanded", String(isSelected));
    if (this.#switch !== null) this.#switch.checked = isOn;
    this.#paused.hidden = !isPaused;
    this.#faulty.hidden = !isFaulty;
  }

  draw(before, after, report, now, isReadable) {
    this.#meters[0].draw(before, now, isReadable);
    this.#meters[1].draw(after, now, isReadable);
    if (!isReadable) return;
    const { text, tone } = activityWords(this.#stage.id, { ...this.#state, canBeOff: this.#stage.canBeOff }, report);
    setText(this.#lightText, text);
    setAttribute(this.#light, "data-tone", tone);
  }

  focus() {
    this.#name.focus();
  }
}

class Meter {
  #bar = h("span", { class: "meter-bar" });
  #text = h("span", { class: "meter-text" }, "–");
  #level = FLOOR_DB;
  #at = null;

  constructor(label) {
    this.element = h("span", { class: "meter" }, h("span", { class: "meter-label" }, label), h("span", { class: "meter-track", "aria-hidden": "true" }, this.#bar), this.#text);
  }

  draw(amplitude, now, isReadable) {
    const level = amplitude === null ? FLOOR_DB : decibels(amplitude);
    const passed = this.#at === null ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    const shown = amplitude === null ? FLOOR_DB : Math.max(level, this.#level - FALL * passed);
    if (shown !== this.#level) this.#bar.style.setProperty("--level", share(shown).toFixed(3));
    this.#level = shown;
    if (isReadable) setText(this.#text, levelWords(amplitude));
  }
}
