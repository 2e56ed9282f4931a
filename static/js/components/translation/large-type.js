/** Large type for a projector: the transcript alone fills the window. It stays after a reload; Escape leaves it. */

import { setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

const LARGE_KEY = "translation:large";

export class LargeType {
  #scope = new Scope();
  #texts;
  #root = document.documentElement;
  #opener;
  #leave;
  #full;
  #preferences;

  /** Buttons: `opener` turns it on, `leave` off, `full` toggles full screen where the browser has it; `texts`: those of the page's language. */
  constructor({ texts, opener, leave, full, preferences }) {
    this.#texts = texts;
    this.#opener = opener;
    this.#leave = leave;
    this.#full = full;
    this.#preferences = preferences;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#show(this.#preferences.get(LARGE_KEY) === "true");
    this.#full.hidden = !document.fullscreenEnabled;
    this.#scope.listen(this.#opener, "click", this.toggle);
    this.#scope.listen(this.#leave, "click", this.toggle);
    this.#scope.listen(this.#full, "click", () => this.#toggleFullScreen());
    this.#scope.listen(document, "fullscreenchange", () => this.#showFullScreen());
    this.#scope.listen(document, "keydown", (event) => this.#pressed(event));
  }

  stop() {
    this.#scope.close();
  }

  get isOn() {
    return this.#root.hasAttribute("data-large");
  }

  toggle = () => {
    this.#show(!this.isOn);
    this.#preferences.set(LARGE_KEY, String(this.isOn));
    // The button that was pressed is hidden now: the other one gets the focus.
    (this.isOn ? this.#leave : this.#opener).focus();
    if (!this.isOn && document.fullscreenElement) document.exitFullscreen();
  };

  #show(isLarge) {
    this.#root.toggleAttribute("data-large", isLarge);
    setAttribute(this.#opener, "aria-pressed", String(isLarge));
  }

  async #toggleFullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    // Where the browser refuses it, the page stays as large as the window.
    else await document.documentElement.requestFullscreen().catch(() => (this.#full.hidden = true));
  }

  #showFullScreen() {
    const isFull = document.fullscreenElement !== null;
    setAttribute(this.#full, "aria-pressed", String(isFull));
    setText(this.#full, isFull ? this.#texts.text("talk.leave_full_screen") : this.#texts.text("talk.full_screen"));
  }

  #pressed(event) {
    if (event.key !== "Escape" || !this.isOn || event.defaultPrevented) return;
    // Escape closes what is open above the transcript first.
    if (event.target.closest("dialog, details[open]") || document.querySelector(":popover-open") !== null) return;
    event.preventDefault();
    this.toggle();
  }
}
