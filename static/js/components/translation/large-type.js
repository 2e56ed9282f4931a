/** Large type for a projector: the words alone on the whole screen. It stays after a reload; Escape leaves it. */

import { setAttribute, setText } from "../dom.js";

const KEPT = "translation:large";

export class LargeType {
  #root = document.documentElement;
  #opener;
  #leave;
  #full;
  #kept;

  /** `opener` begins it, `leave` ends it, `full` fills the screen too, where the browser can. */
  constructor({ opener, leave, full, kept }) {
    this.#opener = opener;
    this.#leave = leave;
    this.#full = full;
    this.#kept = kept;
  }

  start() {
    this.#show(this.#kept.get(KEPT) === "true");
    this.#full.hidden = !document.fullscreenEnabled;
    this.#opener.addEventListener("click", this.toggle);
    this.#leave.addEventListener("click", this.toggle);
    this.#full.addEventListener("click", this.#fill);
    document.addEventListener("fullscreenchange", this.#filled);
    document.addEventListener("keydown", this.#pressed);
  }

  stop() {
    this.#opener.removeEventListener("click", this.toggle);
    this.#leave.removeEventListener("click", this.toggle);
    this.#full.removeEventListener("click", this.#fill);
    document.removeEventListener("fullscreenchange", this.#filled);
    document.removeEventListener("keydown", this.#pressed);
  }

  get isOn() {
    return this.#root.hasAttribute("data-large");
  }

  toggle = () => {
    this.#show(!this.isOn);
    this.#kept.set(KEPT, String(this.isOn));
    // The button that was pressed is not there any more: the other one has its place.
    (this.isOn ? this.#leave : this.#opener).focus();
    if (!this.isOn && document.fullscreenElement) document.exitFullscreen();
  };

  #show(isLarge) {
    this.#root.toggleAttribute("data-large", isLarge);
    setAttribute(this.#opener, "aria-pressed", String(isLarge));
  }

  #fill = async () => {
    if (document.fullscreenElement) await document.exitFullscreen();
    // Who refuses it leaves the page as large as the window.
    else await document.documentElement.requestFullscreen().catch(() => (this.#full.hidden = true));
  };

  #filled = () => {
    const isFull = document.fullscreenElement !== null;
    setAttribute(this.#full, "aria-pressed", String(isFull));
    setText(this.#full, isFull ? "Leave full screen" : "Full screen");
  };

  #pressed = (event) => {
    if (event.key !== "Escape" || !this.isOn || event.defaultPrevented) return;
    if (event.target.closest("dialog, details[open]")) return;
    event.preventDefault();
    this.toggle();
  };
}
