/** The language that is spoken in the sound: what the audio-service offers; and whether it can transcribe at all. */

import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { control, ProblemError } from "../../control-api.js";
import { languageName, sources } from "../../models/languages.js";
import { languagesDependOn } from "../../models/service-notices.js";

const TRANSCRIBER = "audio-service";
/** What is not known yet is loaded again after so long (ms): a back end that starts, or recovers. */
const AGAIN_AFTER = 5_000;

export class LanguageField {
  #socket;
  #get;
  #scope = new Scope();
  #dependsOn = null;
  #loads = 0;
  #timer = null;

  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#get = get;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.defer(this.#socket.onTopic("services", (services) => this.#servicesChanged(services)));
    this.#scope.defer(() => clearTimeout(this.#timer));
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  /** A code, or "auto". */
  get value() {
    return byId("language").value || "auto";
  }

  /** Choose a language; one that is not offered is added. */
  choose(code) {
    const field = byId("language");
    if (![...field.options].some(({ value }) => value === code)) field.append(option(code));
    field.value = code;
  }

  #servicesChanged(services) {
    const dependsOn = languagesDependOn(services);
    if (dependsOn === this.#dependsOn) return;
    const isFirst = this.#dependsOn === null;
    this.#dependsOn = dependsOn;
    if (!isFirst) this.#load();
  }

  #loadLater() {
    this.#timer = setTimeout(() => this.#load(), AGAIN_AFTER);
  }

  async #load() {
    clearTimeout(this.#timer);
    this.#loads += 1;
    const load = this.#loads;
    let offer;
    try {
      offer = await this.#get("/api/languages");
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (load !== this.#loads || !this.#scope.isOpen) return;
      setText(byId("language-note"), `The languages are not known: ${error.message}`);
      this.#loadLater();
      return;
    }
    if (load !== this.#loads || !this.#scope.isOpen) return;
    const { value } = this;
    byId("language").replaceChildren(option("auto"), ...sources(offer).filter((code) => code !== "auto").map(option));
    this.choose(value);
    const problem = (offer.errors ?? []).find(({ service }) => service === TRANSCRIBER);
    setText(byId("language-note"), problem === undefined ? "" : `${problem.detail} Sounds are processed and measured without words.`);
    if (problem !== undefined) this.#loadLater();
  }
}

const option = (code) => h("option", { value: code }, code === "auto" ? "detected" : languageName(code));
