/**
 * The words that `settled` of a transcript counts; docs/protocol.md defines them.
 *
 * A word is a run of characters without white space. Within it, each letter or digit of a script that is written
 * without spaces is a word of its own, with the marks and punctuation that follow it. Pure.
 */

/** Thai to Burmese, Khmer, and what Chinese and Japanese are written with. The same ranges as in orch/protocol/words.py. */
const UNSPACED =
  /[\u0E00-\u109F\u1780-\u17FF\u2E80-\u312F\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\uFF66-\uFF9D\u{1B000}-\u{1B16F}\u{20000}-\u{3FFFF}]/u;
const LETTER = /[\p{L}\p{N}]/u;
/** White space as Python defines it: without the byte order mark, with the separators U+001C to U+001F and U+0085. */
const SPACE = /[\t-\r\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]/u;

/** Where each word of a text begins and ends: pairs of indices into the string. */
export function wordSpans(text) {
  const spans = [];
  let begin = null;
  let before = null;
  let at = 0;
  for (const character of text) {
    if (SPACE.test(character)) {
      if (begin !== null) spans.push([begin, at]);
      begin = null;
      before = null;
    } else {
      if (LETTER.test(character)) {
        const unspaced = UNSPACED.test(character);
        if (begin !== null && before !== null && (unspaced || before)) {
          spans.push([begin, at]);
          begin = at;
        }
        before = unspaced;
      }
      begin ??= at;
    }
    at += character.length;
  }
  if (begin !== null) spans.push([begin, at]);
  return spans;
}

/** A text's first `settled` words, and the rest with the space before it. */
export function settledPart(text, settled) {
  if (!(settled > 0)) return ["", text];
  const spans = wordSpans(text);
  const end = spans.length > 0 ? spans[Math.min(settled, spans.length) - 1][1] : 0;
  return [text.slice(0, end), text.slice(end)];
}
