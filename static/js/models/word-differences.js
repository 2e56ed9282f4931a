/** The words of one text against those of another, as pieces to mark. Pure. */

/**
 * Pieces {kind: "equal" | "deleted" | "inserted", text} of an alignment as the service sends it
 * ([{kind, reference, recognised}]). A substituted word is deleted and inserted; neighbours of a kind are one piece.
 */
export function differencePieces(alignment) {
  const pieces = [];
  let deleted = [];
  let inserted = [];
  const add = (kind, words) => {
    if (words.length === 0) return;
    const last = pieces.at(-1);
    if (last?.kind === kind) last.text += ` ${words.join(" ")}`;
    else pieces.push({ kind, text: words.join(" ") });
  };
  const settle = () => {
    add("deleted", deleted);
    add("inserted", inserted);
    deleted = [];
    inserted = [];
  };
  for (const { kind, reference, recognised } of alignment) {
    if (kind === "equal") {
      settle();
      add("equal", [reference]);
      continue;
    }
    if (reference !== null) deleted.push(reference);
    if (recognised !== null) inserted.push(recognised);
  }
  settle();
  return pieces;
}

/** "Both recognised the same 12 words.", or how many words differ. `errors` null: there is nothing to compare. */
export function differenceWords(errors) {
  if (errors === null) return "The transcripts cannot be compared: one of them is missing, or too long.";
  const { words, substituted, deleted, inserted } = errors;
  if (words === 0 && inserted === 0) return "No words were recognised with either.";
  const all = substituted + deleted + inserted;
  if (all === 0) return `Both recognised the same ${words === 1 ? "word" : `${words} words`}.`;
  const parts = [
    [substituted, "other with B"],
    [deleted, "only with A"],
    [inserted, "only with B"],
  ];
  const list = parts.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
  return `${all === 1 ? "One word differs" : `${all} words differ`}: ${list.join(", ")}.`;
}

/** The word error rate in words: "8.3 % word errors (2 of 24 words)". `errors` null: no reference was given. */
export function errorRateWords(errors) {
  if (errors === null || errors.rate === null) return "";
  const count = errors.substituted + errors.deleted + errors.inserted;
  const percent = Math.round(1000 * errors.rate) / 10;
  return `${percent} % word errors (${count} at ${errors.words} words)`;
}
