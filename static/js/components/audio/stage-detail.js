/** The selected stage: its parameters at the left, what they do as a picture at the right. */

import { compressorCurve, expanderCurve, gateCurve, pauseCurve, resampleCurve, toneCurve, voiceFilterCurve } from "../../models/audio-curves.js";
import { decibels } from "../../models/levels.js";
import { h, setAttribute, setText } from "../dom.js";
import { ConfidenceTrack } from "./confidence-track.js";
import { Curve } from "./curve.js";
import { ParameterList } from "./parameter-list.js";
import { SilenceTrack } from "./silence-track.js";

/** The curves of a stage. */
const CURVES = {
  voiceFilter: ({ voiceFilter }, rate) => [voiceFilterCurve(voiceFilter, rate)],
  noise: ({ noiseReduction }) => [gateCurve(noiseReduction)],
  voiceEnhance: ({ voiceEnhancement }, rate) => [compressorCurve(voiceEnhancement), toneCurve(voiceEnhancement, rate)],
  voiceProcess: ({ voiceProcessing }) => [expanderCurve(voiceProcessing)],
  silence: ({ silence }) => [pauseCurve(silence)],
  resample: ({ resampling }, rate) => [resampleCurve(resampling, rate)],
};

const PASSES = {
  original: "The sound as it arrives from the microphone or the file.",
  decoded: "The sound as numbers: one channel, without what no stage accepts (not a number, infinity, 18 dB over full scale).",
  final: "The sound that leaves the pipeline.",
};
/** The rate for curves while nothing runs. */
const RATE = 48_000;

export class StageDetail {
  #schema;
  #stage = null;
  #list = null;
  #curves = [];
  #track = null;
  #title = h("h2", { id: "stage-detail-title", tabindex: "-1" });
  #note = h("span", { class: "card-note" });
  #body = h("div", { class: "detail-body" });
  #pause;
  #reset;
  #actions;

  /** `change(path, value)`, `settle()`, `pause(stage)`, `reset(stage)`. */
  constructor(schema, actions) {
    this.#schema = schema;
    this.#actions = actions;
    this.#pause = h("button", { type: "button", class: "button button-small", "aria-pressed": "false", onclick: () => actions.pause(this.#stage.id) }, "Pause here");
    this.#reset = h("button", { type: "button", class: "button button-small", onclick: () => actions.reset(this.#stage.id) }, "Reset stage");
    this.element = h(
      "section",
      { class: "card", id: "stage-detail", "aria-labelledby": "stage-detail-title" },
      h("div", { class: "card-head" }, this.#title, this.#note, h("span", { class: "detail-actions" }, this.#pause, this.#reset)),
      this.#body,
    );
  }

  /** Open a stage. */
  open(stage) {
    this.#stage = this.#schema.stage(stage);
    const { id, title, group, canPause } = this.#stage;
    setText(this.#title, title);
    this.#pause.hidden = !canPause;
    this.#reset.hidden = group === null;
    this.#track = id === "vad" ? new ConfidenceTrack() : id === "silence" ? new SilenceTrack() : null;
    this.#curves = [];
    this.#list = group === null ? null : new ParameterList(this.#schema, group, this.#actions);
    const pictures = h("div", { class: "detail-pictures" }, this.#track?.element);
    this.#body.replaceChildren(...(this.#list === null ? [h("p", { class: "muted" }, PASSES[id])] : [this.#list.element, pictures]));
    setAttribute(this.#body, "data-pictured", id in CURVES || this.#track !== null);
  }

  show(settings, faults, rate) {
    const { id } = this.#stage;
    const isPaused = settings.pausedAt === id;
    setAttribute(this.#pause, "aria-pressed", String(isPaused));
    setText(this.#pause, isPaused ? "Go on to the next stage" : "Pause here");
    setText(this.#note, isPaused ? "paused here: later stages are off" : "");
    this.#list?.show(settings, faults);
    this.#track?.show?.(settings.parameters[this.#stage.group]);
    const curves = CURVES[id]?.(settings.parameters, rate ?? RATE) ?? [];
    while (this.#curves.length < curves.length) {
      const curve = new Curve();
      this.#curves.push(curve);
      this.#body.lastElementChild.append(curve.element);
    }
    curves.forEach((curve, index) => this.#curves[index].show(curve));
  }

  /** Draw what follows the sound. `before`: the stage before this one. */
  draw(report, now) {
    this.#track?.add(report, now);
    if (this.#curves.length === 0) return;
    const { id } = this.#stage;
    const index = this.#schema.stages.findIndex((each) => each.id === id);
    const at = ({ id: stage }) => ({ rms: decibels(report.levels[stage].rms), peak: decibels(report.levels[stage].peak) });
    const levels = report === null ? null : { before: at(this.#schema.stages[Math.max(0, index - 1)]), after: at(this.#schema.stages[index]) };
    for (const curve of this.#curves) curve.follow(levels, now);
  }

  focusParameter(path) {
    this.#list?.focus(path);
  }

  focus() {
    this.#title.focus();
  }
}
