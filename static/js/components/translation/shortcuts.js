/**
 * Single-key shortcuts: listed under "?", never while typing, and they can be turned off (WCAG 2.1, 2.1.4), since
 * dictation software types letters into whatever page is open.
 */

const KEPT = "translation:keys";

export class Shortcuts {
  #dialog;
  #opener;
  #choice;
  #kept;
  #keys;

  /** `keys`: letter -> what it does. */
  constructor({ dialog, opener, choice, kept, keys }) {
    this.#dialog = dialog;
    this.#opener = opener;
    this.#choice = choice;
    this.#kept = kept;
    this.#keys = keys;
  }

  start() {
    this.#choice.checked = this.#kept.get(KEPT) !== "off";
    this.#choice.addEventListener("change", this.#chosen);
    this.#opener.addEventListener("click", this.#open);
    document.addEventListener("keydown", this.#pressed);
  }

  stop() {
    this.#choice.removeEventListener("change", this.#chosen);
    this.#opener.removeEventListener("click", this.#open);
    document.removeEventListener("keydown", this.#pressed);
  }

  #chosen = () => this.#kept.set(KEPT, this.#choice.checked ? "on" : "off");

  #open = () => this.#dialog.showModal();

  #pressed = (event) => {
    if (!this.#choice.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    if (event.key === "?") this.#open();
    else if (Object.hasOwn(this.#keys, event.key.toLowerCase())) this.#keys[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  };
}
