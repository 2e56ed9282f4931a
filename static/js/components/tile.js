/** A large figure with its unit or limit, a sparkline, and a note; the frame is the macro `tile`. */

import { UNKNOWN } from "../models/number-format.js";
import { sparkline } from "../models/series.js";
import { byId, setAttribute, setText } from "./dom.js";

const BOX = { width: 200, height: 34 };

/** The tiles with the ids `tile-NAME`, by name. */
export const tilesById = (names) => Object.fromEntries(names.map((name) => [name, new Tile(byId(`tile-${name}`))]));

export class Tile {
  #value;
  #unit;
  #note;
  #picture;

  constructor(element) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    this.#value = part("value");
    this.#unit = part("unit");
    this.#note = part("note");
    this.#picture = part("sparkline");
  }

  /** `series`: values oldest first, null for a gap. `tone`: "" | "warn" | "bad". `note`: text or nodes. */
  show({ value, unit = "", series = [], limit = 0, note = "", tone = "" }) {
    this.#value.classList.toggle("is-empty", value === UNKNOWN);
    setText(this.#value, value);
    setText(this.#unit, unit);
    if (typeof note === "string") setText(this.#note, note);
    else this.#note.replaceChildren(...note);
    setAttribute(this.#picture, "data-tone", tone || null);
    const { line, area } = sparkline(series, { ...BOX, limit });
    setAttribute(this.#picture.querySelector(".sparkline-line"), "d", line);
    setAttribute(this.#picture.querySelector(".sparkline-area"), "d", area);
  }
}
