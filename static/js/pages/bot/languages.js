/**
 * The languages of a bot's page: the one that this reader reads in, which is stored in this browser, the one on the
 * camera, and the one that is spoken. Their choices are what the back ends offer.
 */

import { byId, h, setText } from "../../components/dom.js";
import { Preferences } from "../../components/preferences.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { can } from "../../models/bots.js";
import { canTranslate, closest, isSameLanguage, languageName, ownName, readable, sources } from "../../models/languages.js";

const READ_KEY = "bots:read";
const AS_SPOKEN = "";
/** Languages that could not be loaded are requested again after this long (ms). */
const AGAIN_AFTER = 10_000;

export class BotLanguages {
  #scope = new Scope();
  #id;
  #send;
  #onRead;
  #preferences;
  #offer = null;
  #bot = null;
  #read = null;
  #timer = null;
  /** Choices whose change is under way. */
  #pending = new Set();

  /** `send(method, path, body)`: the control API; `onRead()`: another language is read. */
  constructor(id, { send, onRead, preferences = new Preferences() }) {
    this.#id = id;
    this.#send = send;
    this.#onRead = onRead;
    this.#preferences = preferences;
  }

  /** The language that is read, null: what is spoken. */
  get read() {
    return this.#read;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("read-in"), "change", ({ target }) => this.#chosen(target.value));
    this.#scope.listen(byId("camera-language"), "change", ({ target }) => this.#change("camera-language", { camera: target.value === AS_SPOKEN ? null : target.value }, byId("camera-fault")));
    this.#scope.listen(byId("language-form"), "submit", (event) => {
      event.preventDefault();
      this.#change("language-spoken", { spoken: byId("language-spoken").value }, byId("language-fault"));
    });
    this.#scope.defer(() => clearTimeout(this.#timer));
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  show(bot) {
    this.#bot = bot;
    byId("language-form").hidden = !can(bot, "language");
    this.#showChoices();
  }

  async #load() {
    clearTimeout(this.#timer);
    try {
      this.#offer = await this.#send("GET", "/api/languages");
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (this.#scope.isOpen) this.#timer = setTimeout(() => this.#load(), AGAIN_AFTER);
      this.#note(`The languages cannot be loaded right now: ${error.message}`);
      return;
    }
    if (!this.#scope.isOpen) return;
    if ((this.#offer.errors ?? []).length > 0) this.#timer = setTimeout(() => this.#load(), AGAIN_AFTER);
    const before = this.#read;
    this.#read = this.#wanted();
    this.#showChoices();
    if (before !== this.#read) this.#onRead();
  }

  /** The stored choice, else the browser's first language that is offered. */
  #wanted() {
    const stored = this.#preferences.get(READ_KEY);
    if (stored !== null) return stored === AS_SPOKEN ? null : stored;
    for (const code of navigator.languages ?? []) {
      const found = closest(code, readable(this.#offer));
      if (found !== null) return found;
    }
    return null;
  }

  #chosen(value) {
    this.#read = value === AS_SPOKEN ? null : value;
    this.#preferences.set(READ_KEY, value);
    this.#noteWhatIsMissing();
    this.#onRead();
  }

  #showChoices() {
    if (this.#bot === null) return;
    const { spoken, targets, camera } = this.#bot.languages;
    const offered = [...readable(this.#offer), ...targets];
    options(byId("read-in"), [AS_SPOKEN, "the language spoken"], [...offered, ...(this.#read === null ? [] : [this.#read])], this.#read ?? AS_SPOKEN);
    const first = [AS_SPOKEN, targets.length > 0 ? `${languageName(targets[0])}, the first target` : "what is spoken"];
    if (!this.#pending.has("camera-language")) options(byId("camera-language"), first, [...offered, ...(spoken === "auto" ? [] : [spoken]), ...(camera === null ? [] : [camera])], camera ?? AS_SPOKEN, languageName);
    if (!this.#pending.has("language-spoken")) options(byId("language-spoken"), ["auto", "detect the language"], [...sources(this.#offer), ...(spoken === "auto" ? [] : [spoken])].filter((code) => code !== "auto"), spoken);
    this.#noteWhatIsMissing();
  }

  #noteWhatIsMissing() {
    const { spoken, targets } = this.#bot?.languages ?? { spoken: "auto", targets: [] };
    const read = this.#read;
    if (this.#offer === null || read === null || targets.includes(read) || spoken === "auto" || canTranslate(this.#offer, spoken, read) !== false) this.#note("");
    else if (!isSameLanguage(spoken, read)) this.#note(`${languageName(spoken)} cannot be translated to ${languageName(read)} here; captions are shown as they are spoken.`);
  }

  #note(text) {
    byId("read-note").hidden = text === "";
    setText(byId("read-note"), text);
  }

  async #change(name, body, fault) {
    this.#pending.add(name);
    setText(fault, "");
    try {
      await this.#send("POST", `/api/bots/${encodeURIComponent(this.#id)}/language`, body);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(fault, error.message);
    } finally {
      this.#pending.delete(name);
    }
    if (fault.textContent !== "") this.#showChoices();
  }
}

/** Bring a choice's options up to date: a `first` one, then `codes` by name. The focused choice keeps its value. */
function options(select, first, codes, value, nameOf = ownName) {
  const names = [...new Set(codes)].map((code) => [code, nameOf(code)]).sort(([, a], [, b]) => a.localeCompare(b, "en"));
  const all = [first, ...names];
  const wanted = JSON.stringify(all);
  const isFocused = select === document.activeElement;
  if (select.dataset.options !== wanted && !isFocused) {
    select.dataset.options = wanted;
    select.replaceChildren(...all.map(([code, text]) => h("option", { value: code }, text)));
    select.value = value;
  } else if (!isFocused) select.value = value;
}
