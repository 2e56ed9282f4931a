/** The rows of a table: filtered, sorted, or held in their order. Pure. */

/** Rows in which every word of `text` occurs in one of the strings that `words(row)` gives. */
export function filtered(rows, text, words) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return rows;
  return rows.filter((row) => {
    const all = words(row).join("\u0000").toLowerCase();
    return wanted.every((word) => all.includes(word));
  });
}

/** Rows by `value(row)`; unknown values last whichever way; equal ones keep their order. */
export function sorted(rows, value, direction = "ascending") {
  const sign = direction === "descending" ? -1 : 1;
  return rows
    .map((row, index) => ({ row, index, key: value(row) }))
    .sort((a, b) => {
      const absentA = a.key === null || a.key === undefined;
      const absentB = b.key === null || b.key === undefined;
      if (absentA || absentB) return absentA === absentB ? a.index - b.index : absentA ? 1 : -1;
      const order = typeof a.key === "string" ? a.key.localeCompare(b.key, "en", { numeric: true }) : a.key - b.key;
      return order === 0 ? a.index - b.index : sign * order;
    })
    .map(({ row }) => row);
}

/** `rows` in the order that `shown` (keys, first to last) has them; new ones at the end. */
export function held(rows, shown, key) {
  const place = new Map(shown.map((each, index) => [each, index]));
  return sorted(rows, (row) => place.get(key(row)) ?? shown.length);
}
