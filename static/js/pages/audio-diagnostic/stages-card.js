/** The work of each stage: share of real time, milliseconds for a second of sound, present change of gain. */

import { byId, h } from "../../components/dom.js";
import { STAGE_TITLES } from "../../models/audio-diagnosis-text.js";
import { level } from "../../models/audio-text.js";

export class StagesCard {
  /** `material` of a report, or null; `latest`: the stages of the last frame, or null. */
  show(material, latest) {
    const body = byId("stages-rows");
    if (material === null) return;
    const { summary } = material;
    const stages = latest ?? summary.stages;
    const total = summary.stages.reduce((sum, { seconds }) => sum + seconds, 0);
    const rows = summary.stages.map(({ id, isOn, seconds }) => {
      const perSecond = (1_000 * seconds) / summary.seconds;
      const { reduction } = stages.find((stage) => stage.id === id);
      return this.#row(STAGE_TITLES[id], isOn, perSecond, isOn && ["voiceFilter", "noise", "voiceEnhance", "voiceProcess"].includes(id) ? level(reduction, "dB") : "–");
    });
    body.replaceChildren(...rows, this.#row("All", true, (1_000 * total) / summary.seconds, "–"));
  }

  #row(title, isOn, perSecond, gain) {
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, title),
      h("td", {}, isOn ? "on" : "off"),
      h("td", { class: "number beyond-phone" }, `${perSecond.toFixed(1)} ms`),
      h("td", { class: "number" }, `${(perSecond / 10).toFixed(1)} %`),
      h("td", { class: "number beyond-phone" }, gain),
    );
  }
}
