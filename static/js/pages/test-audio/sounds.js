/** The sounds to test: recorded, chosen, dropped or of an earlier run; one of them is chosen. Dispatches `change`. */

import { SoundRecorder } from "../../audio/sound-recorder.js";
import { InputLevel } from "../../components/audio/input-level.js";
import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { grantedWords } from "../../models/pipeline-text.js";
import { lengthWords, LONGEST, missingFormatsWords, RATES, recordingName, supportedFormats } from "../../models/recording-formats.js";
import { bytes } from "../../models/number-format.js";

const SHOW_EVERY = 250;

export class Sounds extends EventTarget {
  #scope = new Scope();
  #notices;
  #recorder = new SoundRecorder();
  #formats = supportedFormats(this.#recorder.abilities);
  #level = null;
  /** [{id, name, blob, isRecorded}]; `isRecorded`: it exists on this page only. */
  #all = [];
  #chosen = null;
  #next = 1;
  /** "off", "opening", "open" or "closing". */
  #state = "off";
  #beganAt = 0;

  constructor({ notices }) {
    super();
    this.#notices = notices;
  }

  /** Add a sound, and choose it. */
  add(sound) {
    this.#add([sound]);
  }

  /** The sound is stored elsewhere from now on: in a run, or as a file. */
  stored(blob) {
    for (const sound of this.#all) if (sound.blob === blob) sound.isRecorded = false;
  }

  /** {name, blob} or null. */
  get chosen() {
    return this.#all.find(({ id }) => id === this.#chosen) ?? null;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    byId("rate").replaceChildren(...RATES.map((rate) => h("option", { value: rate ?? "" }, rate === null ? "the device's" : `${rate / 1000} kHz`)));
    byId("format").replaceChildren(...this.#formats.map(({ id, title }) => h("option", { value: id }, title)));
    setText(byId("format-note"), missingFormatsWords(this.#recorder.abilities));
    this.#level = new InputLevel(byId("input-level"), byId("input-level-words"));
    scope.defer(() => this.#level.stop());
    scope.listen(globalThis, "beforeunload", (event) => (this.#state !== "off" || this.#all.some(({ isRecorded }) => isRecorded)) && event.preventDefault());
    scope.listen(byId("record"), "click", () => (this.#state === "open" ? this.#end() : this.#begin()));
    scope.listen(byId("choose-file"), "click", () => byId("file").click());
    scope.listen(byId("file"), "change", () => this.#addFiles(byId("file").files));
    scope.listen(byId("files"), "change", ({ target }) => this.#choose(target.value));
    scope.listen(byId("files"), "click", ({ target }) => this.#pressed(target.closest("button")));
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) scope.listen(document, name, (event) => this.#dragged(event));
    scope.listen(this.#recorder, "ended", ({ detail }) => this.#interrupted(detail));
    scope.every(SHOW_EVERY, () => this.#tick());
    scope.defer(() => this.#recorder.stop());
    this.#listDevices();
    this.#show();
  }

  stop() {
    this.#scope.close();
  }

  async #begin() {
    if (this.#state !== "off") return;
    this.#notices.remove("sound");
    this.#state = "opening";
    this.#show();
    const format = this.#formats.find(({ id }) => id === byId("format").value);
    try {
      await this.#recorder.start({ deviceId: byId("device").value, rate: Number(byId("rate").value) || null, channels: Number(byId("channels").value), format });
      this.#state = "open";
      this.#beganAt = performance.now();
      this.#level.start(this.#recorder.stream);
      this.#listDevices();
    } catch (error) {
      this.#state = "off";
      await this.#complain(error);
    }
    this.#show();
  }

  async #end() {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#level.stop();
    this.#show();
    const format = this.#formats.find(({ id }) => id === byId("format").value);
    const blob = await this.#recorder.stop();
    this.#state = "off";
    this.#show();
    if (blob !== null) this.#add([{ name: recordingName(new Date(), format), blob, isRecorded: true }]);
    else this.#notices.show("sound", { word: "no sound", tone: "bad", text: "The microphone delivered nothing.", more: "Choose another one, and record again." });
  }

  async #interrupted(error) {
    await this.#end();
    await this.#complain(error);
  }

  async #complain(error) {
    if (error.text && error.action) {
      const { pageTexts } = await import("../../page-texts.js");
      const texts = await pageTexts("en");
      this.#notices.show("sound", { word: "no sound", tone: "bad", text: texts.text(error.text.key, error.text.values), more: texts.text(error.action.key, error.action.values) });
    } else this.#notices.show("sound", { word: "no sound", tone: "bad", text: error.message, more: "Record again, or choose a file." });
  }

  #tick() {
    if (this.#state !== "open") return;
    const seconds = (performance.now() - this.#beganAt) / 1000;
    setText(byId("record-length"), lengthWords(Math.min(seconds, LONGEST)));
    if (seconds >= LONGEST) this.#end();
  }

  /** Files may be dropped anywhere: beside a target, a browser would leave the page for them. */
  #dragged(event) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setAttribute(byId("sound"), "data-over", event.type === "dragenter" || event.type === "dragover");
    if (event.type === "drop") this.#addFiles(event.dataTransfer.files);
  }

  #pressed(button) {
    const sound = this.#all.find(({ id }) => id === button?.dataset.sound);
    if (sound === undefined) return;
    if (button.dataset.action === "save") {
      saveText(sound.blob, { name: sound.name, type: sound.blob.type });
      this.stored(sound.blob);
    } else this.#remove(sound);
  }

  #remove(sound) {
    this.#all = this.#all.filter((each) => each !== sound);
    this.#choose(this.#chosen === sound.id ? (this.#all.at(-1)?.id ?? null) : this.#chosen);
    (byId("files").querySelector("input:checked") ?? byId("choose-file")).focus();
    toast(`${sound.name} is removed from this page.`, { action: { label: "Undo", run: () => this.#add([sound]) } });
  }

  #addFiles(files) {
    this.#add([...files].map((file) => ({ name: file.name, blob: file, isRecorded: false })));
    byId("file").value = "";
  }

  #add(sounds) {
    if (sounds.length === 0) return;
    this.#all.push(...sounds.map((sound) => ({ ...sound, id: String(this.#next++) })));
    this.#choose(this.#all.at(-1).id);
  }

  #choose(id) {
    this.#chosen = id;
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  async #listDevices() {
    const devices = (await this.#recorder.devices()).filter(({ deviceId }) => deviceId !== "default");
    const chosen = byId("device").value;
    byId("device").replaceChildren(h("option", { value: "" }, "default"), ...devices.map(({ deviceId, label }, index) => h("option", { value: deviceId }, label || `Microphone ${index + 1}`)));
    byId("device").value = devices.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  }

  #show() {
    const isOff = this.#state === "off";
    setText(byId("record"), this.#state === "open" || this.#state === "closing" ? "Stop recording" : "Record");
    byId("record").disabled = this.#formats.length === 0 || this.#state === "opening" || this.#state === "closing";
    for (const id of ["device", "rate", "channels", "format"]) byId(id).disabled = !isOff;
    if (isOff) setText(byId("record-length"), this.#formats.length === 0 ? "This browser cannot record here; choose a file." : `at most ${LONGEST / 60} minutes`);
    const { granted } = this.#recorder;
    byId("granted").hidden = granted === null;
    if (granted !== null) byId("granted").replaceChildren(...grantedWords(granted).map(({ name, text, tone }) => {
      const state = pill();
      setPill(state, text, tone);
      return h("div", { class: "granted" }, h("dt", {}, name), h("dd", {}, state));
    }));
    keyed(byId("files"), this.#all, {
      key: ({ id }) => id,
      create: ({ id, name, blob }) => {
        const button = (action, label) => h("button", { type: "button", class: "button button-plain button-small", "data-action": action, "data-sound": id, "aria-label": `${label} ${name}` }, label);
        return h("li", {}, h("label", {}, h("input", { type: "radio", name: "sound", value: id }), h("span", {}, h("bdi", { dir: "auto" }, name), h("span", { class: "small muted" }, ` ${bytes(blob.size)}`))), button("save", "Save"), button("remove", "Remove"));
      },
      update: (element, { id }) => (element.querySelector("input").checked = id === this.#chosen),
    });
  }
}
