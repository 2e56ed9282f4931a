/** Levels, frequencies and times of audio as text. Pure. */

export const UNKNOWN = "–";
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const minus = (text) => text.replace("-", "−");

/** "−23.4 dBFS"; "–" where it is not known. */
export function level(value, unit) {
  if (!isNumber(value)) return UNKNOWN;
  const text = value.toFixed(1);
  return `${minus(text === "-0.0" ? "0.0" : text)}\u00a0${unit}`;
}

/** "997 Hz", "12.3 kHz"; short: "1k" for an axis. */
export function hertz(value, isShort = false) {
  if (!isNumber(value)) return UNKNOWN;
  if (isShort) return value >= 1_000 ? `${value / 1_000}k` : String(value);
  if (value >= 10_000) return `${(value / 1_000).toFixed(2)}\u00a0kHz`;
  return `${value < 100 ? value.toFixed(1) : Math.round(value)}\u00a0Hz`;
}

/** "3.25 s". */
export const seconds = (value) => (isNumber(value) ? `${minus(value.toFixed(2))}\u00a0s` : UNKNOWN);
