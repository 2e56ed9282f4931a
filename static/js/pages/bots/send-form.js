/** The form that sends a bot to a meeting. What was entered stays where the service rejects it. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { AS_SPOKEN, botRequest, CAMERA_OFF, demoFields, likeBot, rejection, startFault } from "../../models/bot-request.js";
import { languageName, ownName, readable, sources } from "../../models/languages.js";

/** Languages that could not be loaded are requested again after this long (ms). */
const AGAIN_AFTER = 10_000;
/** The demo waits for the languages for so long (ms). */
const LANGUAGES_WITHIN = 2_000;
/** `#again=ID` in the page's address: the form is filled in as for that bot. */
const AGAIN = "#again=";

export class SendForm {
  #scope = new Scope();
  #send;
  #onSent;
  /** Sent with each try of one request, so that a repeated one starts no second bot. */
  #key = null;
  #offer = null;
  #demo = "";
  /** The first look at the languages. */
  #loading = null;
  #isSending = false;
  #timer = null;

  /** `send(method, path, body)`: the control API; `onSent(bot)`: a bot was sent. */
  constructor({ send, onSent }) {
    this.#send = send;
    this.#onSent = onSent;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("send-form"), "submit", (event) => this.#submitted(event));
    this.#scope.listen(byId("send-form"), "input", () => this.#changed());
    this.#scope.listen(byId("send-demo"), "click", () => this.#submitDemo());
    this.#scope.defer(() => clearTimeout(this.#timer));
    this.#summarise();
    this.#loading = this.#loadLanguages();
    if (location.hash.startsWith(AGAIN)) this.#fillAgain(location.hash.slice(AGAIN.length));
  }

  stop() {
    this.#scope.close();
  }

  /** Apply the topic `bots`. */
  show({ demo_meeting: demo = "" }) {
    this.#demo = demo;
    byId("send-demo").hidden = demo === "";
  }

  // --- what is sent ---------------------------------------------------------------------------------------------

  #submitted(event) {
    event.preventDefault();
    const url = byId("send-url").value;
    if (url.trim() === "") {
      this.#fail("Enter the meeting's address first.", "url");
      return;
    }
    this.#submit(url, byId("send-button"), this.#fields);
  }

  /** The demo's camera shows a translation, so the languages are waited for, if not for long. */
  async #submitDemo() {
    await Promise.race([this.#loading, new Promise((resolve) => setTimeout(resolve, LANGUAGES_WITHIN))]);
    await this.#submit(this.#demo, byId("send-demo"), demoFields(this.#fields, this.#offer, navigator.languages ?? []));
  }

  async #submit(url, button, fields) {
    if (this.#isSending) return;
    const startAt = this.#startAt;
    const fault = startFault(startAt, Date.now() / 1000);
    if (fault !== "") {
      this.#fail(fault, "start");
      return;
    }
    this.#isSending = true;
    this.#fail("");
    setAttribute(button, "aria-busy", "true");
    this.#key ??= newKey();
    try {
      this.#onSent(botOf(await this.#send("POST", "/api/bots", botRequest({ ...fields, url, startAt }, this.#key))));
      this.#key = null;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const { text, field } = rejection(error.problem);
      this.#fail(text || error.message, field);
    } finally {
      this.#isSending = false;
      setAttribute(button, "aria-busy", null);
    }
  }

  get #fields() {
    const value = (name) => byId(`send-${name}`).value;
    return { name: value("name"), spoken: value("spoken"), targets: this.#targets, camera: value("camera"), mode: value("mode"), theme: value("theme"), recording: value("recording"), consent: value("consent") };
  }

  get #targets() {
    return [...byId("send-targets").querySelectorAll("input")].filter(({ checked }) => checked).map(({ value }) => value);
  }

  /** Epoch seconds, null without a time, NaN for a part of one. */
  get #startAt() {
    const input = byId("send-start");
    if (input.value === "") return input.validity?.badInput ? NaN : null;
    return new Date(input.value).getTime() / 1000;
  }

  /** Show why nothing was sent ("": nothing is wrong), and where. */
  #fail(text, field = null) {
    setText(byId("send-fault"), text);
    for (const name of ["url", "name", "start"]) setAttribute(byId(`send-${name}`), "aria-invalid", name === field ? "true" : null);
    if (field === null) return;
    if (field !== "url") byId("send-more").open = true;
    byId(`send-${field}`).focus();
  }

  /** Another request than the one that was tried. */
  #changed() {
    this.#key = null;
    this.#fail("");
    this.#summarise();
  }

  // --- what can be chosen ---------------------------------------------------------------------------------------

  /** What is chosen, beside the summary of the choices that are closed. */
  #summarise() {
    const { spoken, targets, camera, recording } = this.#fields;
    const parts = [
      spoken === "auto" ? "any language" : languageName(spoken),
      targets.length === 0 ? "" : `into ${targets.map((code) => languageName(code)).join(", ")}`,
      camera === CAMERA_OFF ? "camera off" : camera === AS_SPOKEN ? "" : `${languageName(camera)} on the camera`,
      recording === "none" ? "" : "recorded",
      byId("send-start").value === "" ? "" : "scheduled",
    ];
    setText(byId("send-summary"), parts.filter(Boolean).join(", "));
  }

  async #loadLanguages() {
    clearTimeout(this.#timer);
    try {
      this.#offer = await this.#send("GET", "/api/languages");
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (!this.#scope.isOpen) return;
      setText(byId("send-targets-note"), `The languages cannot be loaded right now: ${error.message}`);
      this.#timer = setTimeout(() => this.#loadLanguages(), AGAIN_AFTER);
      return;
    }
    if (!this.#scope.isOpen) return;
    this.#showLanguages();
    if ((this.#offer.errors ?? []).length > 0) this.#timer = setTimeout(() => this.#loadLanguages(), AGAIN_AFTER);
  }

  #showLanguages({ spoken = byId("send-spoken").value, targets = this.#targets, camera = byId("send-camera").value } = {}) {
    const byName = (codes) => [...new Set(codes)].sort((a, b) => languageName(a).localeCompare(languageName(b), "en"));
    const heard = byName([...sources(this.#offer), ...(spoken === "auto" ? [] : [spoken])]).filter((code) => code !== "auto");
    const read = byName([...readable(this.#offer), ...targets]);
    choose(byId("send-spoken"), [["auto", "detect the language"], ...heard.map((code) => [code, ownName(code)])], spoken);
    const shown = byName([...read, ...(camera === CAMERA_OFF || camera === AS_SPOKEN ? [] : [camera])]);
    choose(byId("send-camera"), [[AS_SPOKEN, "what is spoken"], ...shown.map((code) => [code, ownName(code)]), [CAMERA_OFF, "nothing: camera off"]], camera);
    keyed(byId("send-targets"), read, {
      key: (code) => code,
      create: (code) => h("label", { class: "check" }, h("input", { type: "checkbox", value: code, checked: targets.includes(code) }), h("span", { dir: "auto" }, ownName(code))),
      update: (element, code) => {
        if (targets.includes(code)) element.firstElementChild.checked = true;
      },
    });
    const errors = (this.#offer?.errors ?? []).map(({ detail }) => detail);
    setText(byId("send-targets-note"), errors.length > 0 ? `Some languages may be missing: ${errors.join(" ")}` : read.length === 0 ? "No language can be translated into right now." : "");
    this.#summarise();
  }

  /** Fill the form in as for the bot `id`. */
  async #fillAgain(id) {
    history.replaceState(null, "", location.pathname + location.search);
    let bot;
    try {
      bot = botOf(await this.#send("GET", `/api/bots/${id}`));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      this.#fail(error.message);
      return;
    }
    const like = likeBot(bot);
    for (const name of ["url", "name", "mode", "theme", "recording"]) byId(`send-${name}`).value = like[name];
    this.#showLanguages(like);
    byId("send-more").open = true;
    byId("send-button").focus();
  }
}

/** Replace a choice's options, [[value, text]], and choose `value`. */
function choose(select, options, value) {
  select.replaceChildren(...options.map(([code, text]) => h("option", { value: code }, text)));
  select.value = options.some(([code]) => code === value) ? value : options[0][0];
}

/** The bot in a response: some have it alone, others with what is live. */
const botOf = (response) => response.bot ?? response;

/** A random key; `crypto.randomUUID` is there in secure contexts only. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
