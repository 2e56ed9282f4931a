/** The choice of the interface's language. It is stored in a cookie, which the service reads: it renders the page. */

import { byId } from "./dom.js";
import { Scope } from "./scope.js";

const YEAR = 365 * 86_400;

export class InterfaceLanguage {
  #scope = new Scope();
  #load;

  /** `load()` loads the page again, in the language that was chosen. */
  constructor({ load }) {
    this.#load = load;
  }

  start() {
    if (!this.#scope.open()) return;
    const choice = byId("interface-language");
    // A page that comes back from the browser's cache shows what was chosen on another one.
    choice.value = document.documentElement.lang;
    this.#scope.listen(choice, "change", () => {
      document.cookie = `language=${choice.value}; Path=/; Max-Age=${YEAR}; SameSite=Lax`;
      this.#load();
    });
  }

  stop() {
    this.#scope.close();
  }
}
