/** Who spoke when: a row for each speaker, on one time axis. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { axis, position, speakerRows, storedRows, ticks } from "../../models/bot-figures.js";
import { counted, duration } from "../../models/number-format.js";

/** The width of a row in its own units. */
const WIDTH = 1000;
/** The least width of a span: shorter ones would not be seen. */
const LEAST = 2;
const COLOURS = 6;

export class TimelineCard {
  #lines;
  #drawn = null;
  /** The stored timeline's speakers, or null until it is known. */
  #speakers = null;

  /** `lines`: models/bot-lines.js. */
  constructor({ lines }) {
    this.#lines = lines;
  }

  /** Apply the stored timeline's speakers. */
  follow(speakers) {
    this.#speakers = speakers;
    this.show();
  }

  clear() {
    this.#speakers = null;
  }

  show() {
    const rows = this.#rows();
    const span = axis(rows);
    const state = JSON.stringify(rows);
    if (state === this.#drawn) return;
    this.#drawn = state;
    const slot = byId("timeline-placeholder");
    if (span === null) {
      fillPlaceholder(slot, emptyState("Nobody has spoken yet.", "Each speaker has a row here, with the times at which words are under that name."));
      return;
    }
    const box = fillPlaceholder(slot, null, "div", "bot-timeline");
    if (box.childElementCount === 0) box.append(h("ul", {}), h("p", { class: "bot-axis faint small", "aria-hidden": "true" }));
    const [list, foot] = box.children;
    keyed(list, rows, { key: ({ key }) => `speaker ${key}`, create: () => row(), update: (element, each) => fill(element, each, span) });
    keyed(foot, ticks(span), {
      key: (at) => at,
      create: (at) => h("span", {}, position(at)),
      update: (element, at) => element.style.setProperty("inset-inline-start", `${(100 * (at - span.from)) / (span.to - span.from)}%`),
    });
    setText(byId("timeline-note"), `${position(span.from)} to ${position(span.to)} of its session`);
  }

  /** From what is stored, which is all of it; where that has nothing, from the lines. */
  #rows() {
    const all = this.#lines.all;
    const number = (line) => this.#lines.speakerNumber(line);
    const until = all.reduce((last, { end }) => Math.max(last, end), 0);
    const stored = this.#speakers === null ? [] : storedRows(this.#speakers, until, number);
    return stored.length > 0 ? stored : speakerRows(all, number);
  }
}

const row = () =>
  h("li", { class: "bot-speaker" }, h("p", {}, h("bdi", { class: "bot-name", dir: "auto" }), " ", h("span", { class: "muted small" })), h("svg:svg", { viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }));

function fill(element, { name, number, seconds, spans }, { from, to }) {
  const [label, picture] = element.children;
  const colour = number === null ? "none" : (number % COLOURS) + 1;
  setAttribute(label.firstElementChild, "data-speaker", colour);
  setAttribute(picture, "data-speaker", colour);
  setText(label.firstElementChild, name ?? "Speaker unsure");
  setText(label.lastElementChild, `${duration(seconds)} in ${counted(spans.length, "turn")}`);
  const scale = WIDTH / (to - from);
  keyed(picture, spans, {
    key: ([start]) => start,
    create: () => h("svg:rect", { y: 0, height: 10, rx: 1 }),
    update: (rect, [start, end]) => {
      setAttribute(rect, "x", ((start - from) * scale).toFixed(1));
      setAttribute(rect, "width", Math.max(LEAST, (end - start) * scale).toFixed(1));
    },
  });
}
