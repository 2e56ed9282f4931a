/** The words of a line with a low confidence. Pure. */

/** Below this a word is marked. */
export const UNSURE = 0.6;

export const isUnsure = (confidence) => typeof confidence === "number" && confidence < UNSURE;

/**
 * The line's text in pieces: [{text, confidence}]; `confidence` is a number if the piece should be marked, else
 * null. Joined, the pieces are the text, letter for letter. Neighbours that are unsure are one piece with the
 * lowest of their confidences. Where the engine names no words, or others than the text has, the line's own
 * confidence decides.
 */
export function pieces({ text, words, confidence }) {
  const located = locate(text, words);
  if (located === null) return text === "" ? [] : [{ text, confidence: isUnsure(confidence) ? confidence : null }];
  const out = [];
  let end = 0;
  let open = null;
  for (const word of located) {
    const between = text.slice(end, word.start);
    const segment = text.slice(word.start, word.end);
    if (!isUnsure(word.confidence)) {
      out.push({ text: between + segment, confidence: null });
      open = null;
    } else if (open !== null) {
      open.text += between + segment;
      open.confidence = Math.min(open.confidence, word.confidence);
    } else {
      if (between !== "") out.push({ text: between, confidence: null });
      open = { text: segment, confidence: word.confidence };
      out.push(open);
    }
    end = word.end;
  }
  if (end < text.length) out.push({ text: text.slice(end), confidence: null });
  return join(out);
}

/** Where each word stands in the text, or null where they do not all stand there in order. */
function locate(text, words) {
  if (!words || words.length === 0 || !words.some((word) => typeof word.confidence === "number")) return null;
  const haystack = text.toLowerCase();
  if (haystack.length !== text.length) return null;
  const located = [];
  let from = 0;
  for (const word of words) {
    const needle = word.text.trim().toLowerCase();
    const start = haystack.indexOf(needle, from);
    if (start < 0) return null;
    from = start + needle.length;
    located.push({ start, end: from, confidence: word.confidence });
  }
  return located;
}

/** Neighbours that are both unmarked are one. */
function join(list) {
  const out = [];
  for (const piece of list) {
    const last = out.at(-1);
    if (last && last.confidence === null && piece.confidence === null) last.text += piece.text;
    else out.push({ ...piece });
  }
  return out;
}
