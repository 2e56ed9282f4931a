/** The notices of back ends among the page's notices. One that was dismissed stays away. */

import { serviceNotices } from "../../models/service-notices.js";

export class ServiceNotices {
  #notices;
  #shown = new Set();
  #dismissed = new Set();

  constructor(notices) {
    this.#notices = notices;
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
      this.#notices.show(key, { word: "engine", tone: "quiet", text, isSilent: true, onDismiss: () => this.#dismissed.add(key) });
    }
  }
}
