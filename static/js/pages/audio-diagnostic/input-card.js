/** The input: what is measured, what the browser granted, drop-outs; and files that are chosen or dropped. */

import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { pill } from "../../components/pill.js";
import { Scope } from "../../components/scope.js";
import { CANCELS, phaseText, PROCESSING } from "../../models/audio-diagnosis-text.js";
import { count } from "../../models/number-format.js";

const toneOf = (word) => (word === "off" ? "ok" : word.startsWith("on") ? "warn" : "quiet");

export class InputCard {
  #scope = new Scope();
  #onFile;
  #isMicrophone = false;

  /** `onFile(file)`: a file was chosen or dropped. */
  constructor({ onFile }) {
    this.#onFile = onFile;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    const input = byId("file");
    scope.listen(byId("choose-file"), "click", () => input.click());
    scope.listen(input, "change", () => {
      const [file] = input.files;
      input.value = "";
      if (file) this.#onFile(file);
    });
    const page = document.documentElement;
    scope.listen(page, "dragover", (event) => this.#hold(event, true));
    scope.listen(page, "dragleave", (event) => event.relatedTarget === null && this.#hold(event, false));
    scope.listen(page, "drop", (event) => {
      this.#hold(event, false);
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.#onFile(file);
    });
  }

  stop() {
    this.#scope.close();
  }

  /** Show what is measured, as the session describes it. */
  show({ kind, label, sampleRate, fileRate, channels, seconds, granted }) {
    this.#isMicrophone = kind === "microphone";
    setText(byId("input-name"), label || "a microphone without a name");
    const rate = fileRate && fileRate !== sampleRate ? `${count(sampleRate)} Hz, converted by the browser from ${count(fileRate)} Hz` : `${count(sampleRate)} Hz`;
    setText(byId("input-rate"), rate);
    const mixed = channels > 1 ? `${channels}, mixed to one for the pipeline` : channels === null ? "not known" : String(channels);
    setText(byId("input-channels"), seconds === undefined ? mixed : `${mixed}; ${seconds.toFixed(2)} s`);
    const words = Object.entries(PROCESSING).map(([name, title]) => [title, granted?.[name] ?? "none"]);
    byId("granted").replaceChildren(...words.map(([title, word]) => h("li", {}, h("span", {}, `${title} `), granted === undefined ? h("span", { class: "muted" }, "not for files") : pill(word, toneOf(word)))));
  }

  /** The correlation of the channels: `phase` of a Diagnosis, or null. */
  showPhase(phase) {
    const now = phase?.now ?? null;
    setText(byId("phase-text"), phaseText(phase));
    const meter = byId("phase");
    meter.hidden = now === null;
    if (now === null) return;
    meter.style.setProperty("--place", `${50 + 50 * now}%`);
    setAttribute(meter, "aria-valuenow", now.toFixed(2));
    setAttribute(meter, "data-tone", now <= CANCELS ? "bad" : null);
  }

  /** `dropOuts` as the session has it; `isOpen`: a measurement runs. */
  showDropOuts({ underruns, underrunSeconds, dropped }, isOpen) {
    if (!isOpen) return;
    const heard = underruns === null ? "not known in this browser" : `${count(underruns)}${underruns > 0 && underrunSeconds !== null ? `, ${underrunSeconds.toFixed(2)} s` : ""}`;
    setText(byId("underruns"), this.#isMicrophone || underruns !== null ? heard : "nothing is played");
    setText(byId("dropped"), this.#isMicrophone ? (dropped === null ? "not known in this browser" : count(dropped)) : "not for files");
  }

  #hold(event, isOver) {
    event.preventDefault();
    setAttribute(byId("input"), "data-dropping", isOver);
  }
}
