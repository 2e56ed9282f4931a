/**
 * How a transcript is shown to its reader: {size, show, colours, confidence}. Pure.
 *
 * `size`: an index of SIZES. `show`: a key of SHOWN. `colours`: a key of COLOURS. `confidence`: whether unsure words
 * and the numbers of lines are marked.
 */

/** The sizes of the text, as factors of the page's own. */
export const SIZES = [0.8, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];

/** Which texts of a line are shown, with the text of each choice. A line without a translation shows its original in any case. */
export const SHOWN = { both: "reading.both", translation: "reading.translation", original: "reading.original" };

/** Colours of the transcript, with the text of each choice; "page" is the page's own theme. */
export const COLOURS = {
  page: "reading.page",
  "white-black": "reading.white_black",
  "black-white": "reading.black_white",
  "yellow-black": "reading.yellow_black",
  "yellow-blue": "reading.yellow_blue",
  "black-yellow": "reading.black_yellow",
};

export const DEFAULTS = Object.freeze({ size: 1, show: "both", colours: "page", confidence: true });

/** The stored choice: what is not valid in it has its default. `text` may be null. */
export function parseReading(text) {
  let stored = null;
  try {
    stored = JSON.parse(text ?? "null");
  } catch {
    // Written by another version or by hand.
  }
  return checked(typeof stored === "object" && stored !== null ? stored : {});
}

/** `reading` with `change`; what is not valid in the change has its default. */
export function changed(reading, change) {
  return checked({ ...reading, ...change });
}

/** `reading` with text that is `steps` larger, or smaller where it is negative, as far as there are sizes. */
export function resized(reading, steps) {
  return changed(reading, { size: Math.min(SIZES.length - 1, Math.max(0, reading.size + steps)) });
}

/** The size in per cent: "125 %". */
export function sizeText({ size }) {
  return `${Math.round(SIZES[size] * 100)}\u00a0%`;
}

export const isSmallest = ({ size }) => size === 0;
export const isLargest = ({ size }) => size === SIZES.length - 1;

function checked({ size, show, colours, confidence }) {
  return {
    size: Number.isInteger(size) && size >= 0 && size < SIZES.length ? size : DEFAULTS.size,
    show: Object.hasOwn(SHOWN, show) ? show : DEFAULTS.show,
    colours: Object.hasOwn(COLOURS, colours) ? colours : DEFAULTS.colours,
    confidence: typeof confidence === "boolean" ? confidence : DEFAULTS.confidence,
  };
}
