/** Notes of the equal-tempered scale, A4 = 440 Hz: note = 69 + 12 log2(f / 440), as MIDI counts. */

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** {name: "A4", cents: how far above it, −50…50}, or null where it is below the lowest note with a name. */
export function noteOf(frequency) {
  const exact = 69 + 12 * Math.log2(frequency / 440);
  const nearest = Math.round(exact);
  if (!Number.isFinite(exact) || nearest < 12) return null;
  return { name: `${NAMES[nearest % 12]}${Math.floor(nearest / 12) - 1}`, cents: Math.round((exact - nearest) * 100) };
}

/** A note as text: "A4 +12 ct"; "–" where there is none. */
export function noteText(frequency) {
  const note = noteOf(frequency);
  if (note === null) return "–";
  return `${note.name} ${note.cents < 0 ? "−" : "+"}${Math.abs(note.cents)} ct`;
}
