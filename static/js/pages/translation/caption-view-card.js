/** The card that makes a link to the caption view: for a projector, a second screen or OBS. */

import { byId, h, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { DEFAULTS, ORIGINAL, writeCaptionLink } from "../../models/caption-view.js";
import { readable } from "../../models/languages.js";
import { linkBase } from "../../models/session-link.js";
import { copyAndReport } from "./export-card.js";

/** Colours that can be chosen, of the text and behind it, with the text of each choice. Others are written into the address. */
const COLOURS = {
  "white-black": { name: "reading.white_black", colour: "#ffffff", background: "#000000" },
  "yellow-black": { name: "reading.yellow_black", colour: "#ffff00", background: "#000000" },
  "black-white": { name: "reading.black_white", colour: "#000000", background: "#ffffff" },
  "white-transparent": { name: "view.white_transparent", colour: "#ffffff", background: "transparent" },
  "yellow-transparent": { name: "view.yellow_transparent", colour: "#ffff00", background: "transparent" },
};

const FIRST_COLOURS = "white-black";

const CHOICE_KEY = "translation:caption-view";

export class CaptionViewCard {
  #scope = new Scope();
  #texts;
  #session;
  #languages;
  #preferences;
  #prepare;
  #onShare;

  /**
   * `languages`: the LanguageChoice; `prepare()` resolves to whether there is a session; `onShare()`: a link was made; `texts`:
   * those of the page's language.
   */
  constructor({ texts, session, languages, preferences, prepare, onShare }) {
    this.#texts = texts;
    this.#session = session;
    this.#languages = languages;
    this.#preferences = preferences;
    this.#prepare = prepare;
    this.#onShare = onShare;
  }

  start() {
    if (!this.#scope.open()) return;
    byId("view-colours").replaceChildren(...Object.entries(COLOURS).map(([value, { name }]) => h("option", { value }, this.#texts.text(name))));
    this.#showLanguages();
    this.#restore();
    this.#scope.listen(byId("caption-view"), "change", () => this.#store());
    this.#scope.listen(byId("view-copy"), "click", () => this.#copy());
    this.#scope.listen(byId("view-open"), "click", () => this.#open());
    this.#scope.listen(this.#languages, "change", () => this.#showLanguages());
  }

  stop() {
    this.#scope.close();
  }

  /** The chosen view, as models/caption-view.js has it. */
  get view() {
    const { first, second, lines, size, colours, names } = this.#choice;
    const languages = [first, ...(second === "" || second === first ? [] : [second])];
    const { colour, background } = COLOURS[colours] ?? COLOURS[FIRST_COLOURS];
    return { ...DEFAULTS, languages, lines: bounded(lines, 1, 20, DEFAULTS.lines), size: bounded(size, 10, 300, DEFAULTS.size), names, colour, background };
  }

  get #choice() {
    return {
      first: byId("view-first").value || ORIGINAL,
      second: byId("view-second").value,
      lines: byId("view-lines").value,
      size: byId("view-size").value,
      colours: byId("view-colours").value,
      names: byId("view-names").checked,
    };
  }

  #showLanguages() {
    const offered = this.#texts.choices([...readable(this.#languages.offer), ...this.#languages.targets]);
    const original = { code: ORIGINAL, name: this.#texts.text("view.as_spoken") };
    const fill = (select, all) => {
      const { value } = select;
      select.replaceChildren(...all.map(({ code, name }) => h("option", { value: code }, name)));
      select.value = all.some(({ code }) => code === value) ? value : all[0].code;
    };
    fill(byId("view-first"), [original, ...offered]);
    fill(byId("view-second"), [{ code: "", name: this.#texts.text("view.none") }, original, ...offered]);
  }

  #restore() {
    let stored = {};
    try {
      stored = JSON.parse(this.#preferences.get(CHOICE_KEY) ?? "{}") ?? {};
    } catch {
      // Written by another version: the defaults hold.
    }
    byId("view-lines").value = String(bounded(stored.lines, 1, 20, DEFAULTS.lines));
    byId("view-size").value = String(bounded(stored.size, 10, 300, DEFAULTS.size));
    byId("view-colours").value = Object.hasOwn(COLOURS, stored.colours) ? stored.colours : FIRST_COLOURS;
    byId("view-names").checked = stored.names !== false;
  }

  #store() {
    this.#preferences.set(CHOICE_KEY, JSON.stringify(this.#choice));
  }

  /** A link with the read key, or null where there is no session. */
  async #link() {
    if (!(await this.#prepare())) return null;
    const { session_id, keys } = this.#session;
    if (!keys?.read) return null;
    this.#onShare();
    const { base } = linkBase(location.href, byId("link-reach").dataset.publicUrl);
    return writeCaptionLink(base, { session_id, key: keys.read, view: this.view });
  }

  async #copy() {
    const link = await this.#link();
    if (link !== null) await copyAndReport(link, { copied: this.#texts.text("view.copied"), failed: this.#texts.text("view.not_copied") });
    setText(byId("caption-view-note"), link === null ? this.#texts.text("view.no_session") : "");
  }

  async #open() {
    // Opened before the session is there: a browser blocks a window that opens long after the click.
    const opened = globalThis.open("about:blank", "_blank");
    const link = await this.#link();
    if (opened === null) return;
    if (link === null) opened.close();
    else {
      opened.opener = null;
      opened.location.replace(link);
    }
  }
}

function bounded(value, least, most, initial) {
  const number = Number.parseInt(value, 10);
  return Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : initial;
}
