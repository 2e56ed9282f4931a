/**
 * Isolates other texts inside the page's sentences. Pure. A right-to-left text, or one with direction controls, would
 * reorder the words and numbers around it; between isolates it only affects itself. For a text in an element of its
 * own, `dir="auto"` does the same.
 */

const REORDERS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Isolates in the text itself would end ours too early. */
const ISOLATES = /[\u2066-\u2069]/gu;

/**
 * `text` as part of a sentence, unchanged where it reorders nothing. The mark before it is for `dir="auto"`, which
 * looks into isolates: a sentence that begins with such a text stays left to right.
 */
export function isolated(text) {
  return REORDERS.test(text) ? `\u200e\u2068${text.replace(ISOLATES, "")}\u2069` : text;
}
