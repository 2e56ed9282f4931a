/** Where the sound comes from, and how it is listened to: a microphone or a file, what was granted, drop-outs. */

import { processedByService } from "../../audio/pipeline-offline.js";
import { ProblemError } from "../../control-api.js";
import { grantedWords, underrunWords } from "../../models/pipeline-text.js";
import { byId, h, setAttribute, setText } from "../dom.js";
import { pill, setPill } from "../pill.js";
import { Scope } from "../scope.js";

/** Longer files are for the service's other ways. */
const LARGEST = 200 * 1024 * 1024;
const FACTS_EVERY = 1_000;

export class SoundCard extends EventTarget {
  #node;
  #scope = new Scope();
  #settings;
  #notices;
  #texts;
  /** {name, data: ArrayBuffer, blob} of the chosen file, or null. */
  #file = null;
  /** "microphone", "file" or null. */
  #running = null;
  #ending = null;
  #address = null;

  /**
   * `node`: the PipelineNode; `settings()` returns the settings in use; `notices` shows what went wrong; `texts()`
   * resolves to the texts of errors. Dispatches `running`.
   */
  constructor(node, { settings, notices, texts }) {
    super();
    this.#node = node;
    this.#settings = settings;
    this.#notices = notices;
    this.#texts = texts;
  }

  /** "microphone", "file" or null. */
  get running() {
    return this.#running;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.listen(byId("start-microphone"), "click", () => this.#toggle("microphone"));
    scope.listen(byId("start-file"), "click", () => (this.#node.isSupported ? this.#toggle("file") : this.#byService()));
    scope.listen(byId("choose-file"), "click", () => byId("file").click());
    scope.listen(byId("file"), "change", () => this.#choose(byId("file").files[0]));
    scope.listen(byId("listen"), "change", () => this.#applyVolume());
    scope.listen(byId("volume"), "input", () => this.#applyVolume());
    scope.listen(byId("listen-stage"), "change", () => this.#node.listenTo(byId("listen-stage").value));
    const drop = byId("sound");
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) scope.listen(drop, name, (event) => this.#dragged(event, drop));
    scope.listen(this.#node, "ended", ({ detail }) => this.#ended(detail));
    scope.listen(this.#node, "failed", ({ detail }) => this.#ended(detail));
    scope.every(FACTS_EVERY, () => this.#showFacts());
    scope.defer(() => this.#node.stop());
    scope.defer(() => this.#address !== null && URL.revokeObjectURL(this.#address));
    if (!this.#node.isSupported) this.#unsupported();
    this.#listDevices();
    this.#showButtons();
    this.#showFacts();
  }

  stop() {
    this.#scope.close();
  }

  #unsupported() {
    byId("start-microphone").disabled = true;
    byId("device").disabled = true;
    byId("listen-options").hidden = true;
    this.#notices.show("worklets", {
      word: "limited",
      text: "The pipeline cannot run in this browser: it has no AudioWorklet here.",
      more: "Browsers offer it to pages from https:// or from this machine. Choose a file: the service then processes it with these settings.",
    });
  }

  async #toggle(kind) {
    if (this.#running === kind) return this.#finish();
    this.#notices.remove("sound");
    const button = byId(`start-${kind}`);
    setAttribute(button, "aria-busy", "true");
    try {
      await this.#node.start(kind === "file" ? { data: this.#file.data } : { deviceId: byId("device").value });
      this.#running = kind;
      this.#applyVolume();
      this.#node.listenTo(byId("listen-stage").value);
      if (kind === "microphone") this.#listDevices();
    } catch (error) {
      this.#running = null;
      await this.#complain(error);
    } finally {
      setAttribute(button, "aria-busy", null);
    }
    return this.#changed();
  }

  async #finish() {
    this.#running = null;
    await this.#node.stop();
    this.#changed();
  }

  async #ended(error) {
    this.#running = null;
    if (error !== null) await this.#complain(error);
    this.#changed();
  }

  #changed() {
    this.#showButtons();
    this.#showFacts();
    this.dispatchEvent(new Event("running"));
  }

  async #complain(error) {
    // A SoundError has texts of the catalogues; a file that cannot be decoded is a DOMException.
    if (error.action && error.code !== "failed") {
      const texts = await this.#texts();
      this.#notices.show("sound", { word: "no sound", tone: "bad", text: texts.text(error.text.key, error.text.values), more: texts.text(error.action.key, error.action.values) });
      return;
    }
    this.#notices.show("sound", { word: "no sound", tone: "bad", text: error.text ? `The sound could not be opened: ${error.text.values.why}` : error.message, more: "Choose another file, or start again." });
  }

  #dragged(event, target) {
    event.preventDefault();
    setAttribute(target, "data-over", event.type === "dragenter" || event.type === "dragover");
    if (event.type === "drop") this.#choose(event.dataTransfer.files[0]);
  }

  async #choose(file) {
    byId("file").value = "";
    if (file === undefined) return;
    this.#notices.remove("sound");
    if (file.size > LARGEST) {
      this.#notices.show("sound", { word: "too large", tone: "bad", text: `${file.name} has more than 200 MB.`, more: "Choose a shorter file." });
      return;
    }
    if (this.#running === "file") await this.#finish();
    this.#file = { name: file.name, blob: file, data: await file.arrayBuffer() };
    this.#showButtons();
    byId("start-file").focus();
  }

  async #byService() {
    const button = byId("start-file");
    button.disabled = true;
    setAttribute(button, "aria-busy", "true");
    this.#notices.remove("sound");
    try {
      const result = await processedByService(this.#file.blob, this.#settings());
      if (this.#address !== null) URL.revokeObjectURL(this.#address);
      this.#address = URL.createObjectURL(result);
      byId("result").src = this.#address;
      byId("result-box").hidden = false;
      setText(byId("result-text"), `${this.#file.name}, processed by the service with the present settings:`);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.#notices.show("sound", { word: "rejected", tone: "bad", text: error.message, more: (error.problem.faults ?? []).map(({ path, expected }) => `${path}: expected ${expected}`).join("; ") });
    } finally {
      setAttribute(button, "aria-busy", null);
      this.#showButtons();
    }
  }

  #applyVolume() {
    const isOn = byId("listen").checked;
    byId("volume").disabled = !isOn;
    this.#node.volume = isOn ? Number(byId("volume").value) / 100 : 0;
    byId("feedback").hidden = !(isOn && this.#running === "microphone");
  }

  async #listDevices() {
    const devices = await this.#node.devices();
    const chosen = byId("device").value;
    byId("device").replaceChildren(h("option", { value: "" }, "default"), ...devices.map(({ deviceId, label }, index) => h("option", { value: deviceId }, label || `Microphone ${index + 1}`)));
    byId("device").value = devices.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  }

  #showButtons() {
    const isSupported = this.#node.isSupported;
    setText(byId("start-microphone"), this.#running === "microphone" ? "Stop the microphone" : "Start the microphone");
    setText(byId("start-file"), isSupported ? (this.#running === "file" ? "Stop the file" : "Play the file") : "Process the file");
    byId("start-file").disabled = this.#file === null;
    setText(byId("file-name"), this.#file === null ? "or drop one here" : this.#file.name);
  }

  #showFacts() {
    const { granted } = this.#node;
    const isOpen = this.#running !== null;
    byId("granted").hidden = granted === null;
    if (granted !== null) {
      const rows = grantedWords(granted);
      if (byId("granted").childElementCount === 0) byId("granted").append(...rows.map(({ name }) => h("div", { class: "granted" }, h("dt", {}, name), h("dd", {}, pill()))));
      [...byId("granted").querySelectorAll(".pill")].forEach((each, index) => setPill(each, rows[index].text, rows[index].tone));
    }
    byId("running-facts").hidden = !isOpen;
    if (!isOpen) return;
    const { text, tone } = underrunWords(this.#node.underruns);
    setPill(byId("underruns"), text, tone);
    byId("underruns-do").hidden = tone !== "warn";
    setText(byId("rate"), `${this.#node.sampleRate / 1000} kHz${granted === null ? "" : `, microphone ${granted.sampleRate === null ? "unknown" : `${granted.sampleRate / 1000} kHz`}`}`);
  }
}
