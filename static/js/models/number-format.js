/**
 * Numbers as text. Pure.
 *
 * An unknown value is "–", never 0. Units are separate from figures, so that a page can show them smaller.
 */

export const UNKNOWN = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const two = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Two significant figures below 10, whole from there on: 0.43, 4.2, 43, 1,458. */
export function number(value) {
  if (!isNumber(value)) return UNKNOWN;
  return Math.abs(value) < 9.95 ? two.format(value) : whole.format(value);
}

/** A count: whole, with separators. */
export function count(value) {
  return isNumber(value) ? whole.format(value) : UNKNOWN;
}

/** "1 session", "3 sessions". */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Milliseconds as {value, unit}: 0.4 ms, 78 ms, 2,410 ms; null is unknown. */
export function milliseconds(value) {
  return { value: number(value), unit: "ms" };
}

/** Milliseconds as seconds once they are many: {value: "78", unit: "ms"}, {value: "0.84", unit: "s"}. */
export function latency(value) {
  if (!isNumber(value)) return { value: UNKNOWN, unit: "" };
  return value < 500 ? milliseconds(value) : { value: two.format(value / 1000), unit: "s" };
}

/** {value, unit} in one string, with a space that does not break. */
export function joined({ value, unit }) {
  return unit === "" ? value : `${value}\u00a0${unit}`;
}

/** A share of 1 as a percentage: 99.98 %, 0.04 %, 100 %. Never rounded up to 100. */
export function percent(share) {
  if (!isNumber(share)) return UNKNOWN;
  const value = share * 100;
  if (value === 0 || value === 100) return `${value}\u00a0%`;
  const digits = value > 99 || value < 1 ? 2 : value < 10 ? 1 : 0;
  const factor = 10 ** digits;
  const shown = value > 50 ? Math.floor(value * factor) / factor : Math.round(value * factor) / factor;
  return `${shown === 0 ? `<\u00a0${1 / factor}` : shown}\u00a0%`;
}

/** [below so many seconds, unit, seconds in one]. */
const STEPS = [
  [60, "s", 1],
  [3600, "min", 60],
  [86_400, "h", 3600],
  [Infinity, "d", 86_400],
];

/** A duration in seconds with two significant figures: 0.31 s, 42 s, 3.5 min, 2.4 h, 12 d. */
export function duration(seconds) {
  if (!isNumber(seconds)) return UNKNOWN;
  if (seconds === 0) return "0\u00a0s";
  if (seconds > 0 && seconds < 0.1) return `${two.format(seconds * 1000)}\u00a0ms`;
  for (const [limit, unit, size] of STEPS) {
    const exact = Number((seconds / size).toPrecision(2));
    const value = size === 1 ? exact : Math.max(1, exact);
    if (value * size < limit) return `${whole.format(value) === String(value) ? value : two.format(value)}\u00a0${unit}`;
  }
  return UNKNOWN;
}

const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in steps of 1000: 0 B, 512 B, 1.5 kB, 42 MB. */
export function bytes(value) {
  if (!isNumber(value)) return UNKNOWN;
  let size = value;
  let step = 0;
  while (size >= 999.5 && step < SIZES.length - 1) {
    size /= 1000;
    step += 1;
  }
  return `${step === 0 ? whole.format(size) : number(size)}\u00a0${SIZES[step]}`;
}
