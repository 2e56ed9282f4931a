/** The notices of back ends among the page's notices. One that was dismissed stays away. */

import { serviceNotices } from "../../models/service-notices.js";

export class ServiceNotices {
  #notices;
  #texts;
  #shown = new Set();
  #dismissed = new Set();

  /** `texts`: those of the page's language. */
  constructor(notices, texts) {
    this.#notices = notices;
    this.#texts = texts;
  }

  /** Show those of the topic `services`. */
  show(services) {
    const all = serviceNotices(services);
    const keys = new Set(all.map(({ key }) => key));
    for (const key of this.#shown) if (!keys.has(key)) this.#notices.remove(key);
    for (const key of this.#dismissed) if (!keys.has(key)) this.#dismissed.delete(key);
    this.#shown = keys;
    for (const { key, text } of all) {
      if (this.#dismissed.has(key)) continue;
      // Its figures change all the time: they are shown, and not read out.
      this.#notices.show(key, { word: this.#texts.text("word.engine"), tone: "quiet", text, isSilent: true, onDismiss: () => this.#dismissed.add(key) });
    }
  }
}
