/**
 * Texts of people and of back ends inside sentences of ours. Pure. A text that is written from the right, or that
 * holds controls of direction, would turn the words and numbers around it; between isolates it turns only itself.
 * Where a text stands in an element of its own, `dir="auto"` does the same.
 */

const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Those of the text's own would end the isolate too early. */
const ISOLATES = /[\u2066-\u2069]/gu;

/**
 * `text` as part of a sentence; as it is where it turns nothing. The mark before it is for `dir="auto"`, which looks
 * into isolates: a sentence of ours that begins with such a text goes from the left all the same.
 */
export function isolated(text) {
  return TURNS.test(text) ? `\u200e\u2068${text.replace(ISOLATES, "")}\u2069` : text;
}
