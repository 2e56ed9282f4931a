/**
 * What the bot's camera shows, and the controls of its looks. A picture is requested when the bot has drawn another one,
 * one at a time; an unchanged picture costs nothing.
 */

import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { CAMERA_FIELDS, cameraNote } from "../../models/bot-camera.js";
import { can, isFinal } from "../../models/bots.js";

/** Between two requests of a picture (ms), each of which the service draws; and after one that failed. */
const PICTURE_EVERY = 400;
const AFTER_FAILURE = 2_000;

export class CameraCard {
  #scope = new Scope();
  #id;
  #send;
  #live = null;
  /** The frame that is shown, and whether one is being loaded. */
  #shown = null;
  #isLoading = false;
  /** Pictures in a row that could not be loaded. One is none where the bot has just left, which its state says next. */
  #failures = 0;
  #timer = null;
  /** Fields whose change is under way. */
  #pending = new Set();

  /** `send(method, path, body)`: the control API. */
  constructor(id, { send }) {
    this.#id = id;
    this.#send = send;
  }

  start() {
    if (!this.#scope.open()) return;
    for (const name of Object.keys(CAMERA_FIELDS)) this.#scope.listen(byId(`camera-${name}`), "change", ({ target }) => this.#change(name, target));
    this.#scope.listen(byId("camera-form"), "submit", (event) => event.preventDefault());
    this.#scope.listen(document, "visibilitychange", () => this.#load());
    this.#scope.defer(() => clearTimeout(this.#timer));
  }

  stop() {
    this.#scope.close();
  }

  /** `live`: BotLive of orch/bots/shown.py. */
  show(live) {
    this.#live = live;
    const { bot } = live;
    const note = cameraNote(live);
    byId("camera").hidden = isFinal(bot);
    setText(byId("picture-note"), note);
    byId("picture-note").hidden = note === "";
    byId("picture-image").hidden = note !== "" || this.#shown === null;
    byId("camera-form").hidden = !can(bot, "language");
    this.#showFields(bot.camera);
    this.#load();
  }

  #showFields(appearance) {
    for (const [name, { read }] of Object.entries(CAMERA_FIELDS)) {
      const control = byId(`camera-${name}`);
      if (name !== "on") control.closest(".field, .check").hidden = appearance === null;
      if (this.#pending.has(name) || control === document.activeElement) continue;
      const value = read(appearance);
      if (control.type === "checkbox") control.checked = value;
      else {
        // A value that another program has chosen is offered too.
        if (![...control.options].some((option) => option.value === value)) control.append(h("option", { value }, value));
        control.value = value;
      }
    }
  }

  async #change(name, control) {
    this.#pending.add(name);
    setText(byId("camera-fault"), "");
    try {
      await this.#send("PATCH", `/api/bots/${encodeURIComponent(this.#id)}/webcam`, CAMERA_FIELDS[name].write(control.type === "checkbox" ? control.checked : control.value));
      this.#pending.delete(name);
    } catch (error) {
      this.#pending.delete(name);
      if (!(error instanceof ProblemError)) throw error;
      setText(byId("camera-fault"), error.message);
      control.blur();
      if (this.#live !== null) this.#showFields(this.#live.bot.camera);
      control.focus();
    }
  }

  /** Load the newest picture, if it is not shown, somebody sees it, and none is being loaded. */
  #load() {
    if (this.#live === null || this.#isLoading || !this.#scope.isOpen || document.visibilityState === "hidden") return;
    const { camera_frame: frame } = this.#live;
    if (cameraNote(this.#live) !== "" || frame === this.#shown) return;
    this.#isLoading = true;
    const image = h("img", { id: "picture-image", alt: "What its camera shows now: the last captions." });
    image.src = `/api/bots/${encodeURIComponent(this.#id)}/webcam.png?frame=${frame}`;
    image.decode().then(
      () => {
        byId("picture-image").replaceWith(image);
        this.#shown = frame;
        this.#failures = 0;
        this.#again(PICTURE_EVERY);
        if (this.#live !== null) this.show(this.#live);
      },
      () => {
        this.#failures += 1;
        if (this.#failures > 1) {
          setText(byId("picture-note"), "The picture cannot be loaded right now.");
          byId("picture-note").hidden = false;
        }
        this.#again(AFTER_FAILURE);
      },
    );
  }

  #again(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isLoading = false;
      this.#load();
    }, delay);
  }
}
