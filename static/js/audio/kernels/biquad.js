/**
 * Second-order filters: their designs, and filtering block by block. The twin of orch/audio/stages/biquad.py.
 *
 *     H(z) = (b0 + b1 z^-1 + b2 z^-2) / (1 + a1 z^-1 + a2 z^-2)
 *
 * The designs are those of R. Bristow-Johnson's cookbook (W3C Audio EQ Cookbook, 2021). A frequency at or above
 * half the sample rate is moved to 49.5 % of it. A section is [b0, b1, b2, a1, a2]; a filter is a list of them.
 */

export const BUTTERWORTH = Math.SQRT1_2;
const HIGHEST = 0.495;
const FAINTEST = 1e-100;

const angle = (frequency, sampleRate) => 2 * Math.PI * Math.min(frequency / sampleRate, HIGHEST);
const section = (b, a) => [[b[0] / a[0], b[1] / a[0], b[2] / a[0], a[1] / a[0], a[2] / a[0]]];

/** A low-pass filter of 12 dB an octave; −3 dB at `frequency` (Hz). */
export function lowPass(frequency, sampleRate, q = BUTTERWORTH) {
  const w = angle(frequency, sampleRate);
  const alpha = Math.sin(w) / (2 * q);
  const c = Math.cos(w);
  return section([(1 - c) / 2, 1 - c, (1 - c) / 2], [1 + alpha, -2 * c, 1 - alpha]);
}

/** A high-pass filter of 12 dB an octave; −3 dB at `frequency` (Hz). */
export function highPass(frequency, sampleRate, q = BUTTERWORTH) {
  const w = angle(frequency, sampleRate);
  const alpha = Math.sin(w) / (2 * q);
  const c = Math.cos(w);
  return section([(1 + c) / 2, -(1 + c), (1 + c) / 2], [1 + alpha, -2 * c, 1 - alpha]);
}

/** A band-pass filter with a gain of 1 at its centre; `bandwidth` (Hz) between the −3 dB points. */
export function bandPass(frequency, bandwidth, sampleRate) {
  const w = angle(frequency, sampleRate);
  const alpha = (Math.sin(w) * bandwidth) / (2 * frequency);
  return section([alpha, 0, -alpha], [1 + alpha, -2 * Math.cos(w), 1 - alpha]);
}

/** A bell: `gain` (a factor) at its centre, half of it in dB at `bandwidth` (Hz) around it. */
export function peaking(frequency, bandwidth, gain, sampleRate) {
  const w = angle(frequency, sampleRate);
  const root = Math.sqrt(gain);
  const alpha = (Math.sin(w) * bandwidth) / (2 * frequency);
  const c = Math.cos(w);
  return section([1 + alpha * root, -2 * c, 1 - alpha * root], [1 + alpha / root, -2 * c, 1 - alpha / root]);
}

/** A shelf: `gain` (a factor) well below `frequency` (Hz), half of it in dB there. */
export const lowShelf = (frequency, gain, sampleRate) => shelf(frequency, gain, sampleRate, -1);

/** A shelf: `gain` (a factor) well above `frequency` (Hz), half of it in dB there. */
export const highShelf = (frequency, gain, sampleRate) => shelf(frequency, gain, sampleRate, 1);

function shelf(frequency, gain, sampleRate, side) {
  const w = angle(frequency, sampleRate);
  const a = Math.sqrt(gain);
  const c = side * Math.cos(w);
  const slope = (2 * Math.sqrt(a) * Math.sin(w)) / (2 * BUTTERWORTH);
  return section(
    [a * (a + 1 + (a - 1) * c + slope), -2 * side * a * (a - 1 + (a + 1) * c), a * (a + 1 + (a - 1) * c - slope)],
    [a + 1 - (a - 1) * c + slope, 2 * side * (a - 1 - (a + 1) * c), a + 1 - (a - 1) * c - slope],
  );
}

/** The gain (a factor) of a filter at `frequency` (Hz). */
export function magnitude(sections, frequency, sampleRate) {
  const w = (2 * Math.PI * frequency) / sampleRate;
  let gain = 1;
  for (const [b0, b1, b2, a1, a2] of sections) {
    const numerator = Math.hypot(b0 + b1 * Math.cos(w) + b2 * Math.cos(2 * w), b1 * Math.sin(w) + b2 * Math.sin(2 * w));
    gain *= numerator / Math.hypot(1 + a1 * Math.cos(w) + a2 * Math.cos(2 * w), a1 * Math.sin(w) + a2 * Math.sin(2 * w));
  }
  return gain;
}

/** Filters a stream, transposed direct form II. */
export class Filter {
  #sections;
  #state;

  constructor(sections) {
    this.#sections = sections;
    this.#state = new Float64Array(2 * sections.length);
  }

  /** Continue with the state of another filter that has as many sections. */
  adopt(other) {
    this.#state.set(other.#state);
  }

  /** Filter `block` (Float64Array) in place; returns it. */
  process(block) {
    const state = this.#state;
    for (let index = 0; index < this.#sections.length; index += 1) {
      const [b0, b1, b2, a1, a2] = this.#sections[index];
      let first = state[2 * index];
      let second = state[2 * index + 1];
      for (let n = 0; n < block.length; n += 1) {
        const x = block[n];
        const y = b0 * x + first;
        first = b1 * x - a1 * y + second;
        second = b2 * x - a2 * y;
        block[n] = y;
      }
      state[2 * index] = Math.abs(first) < FAINTEST ? 0 : first;
      state[2 * index + 1] = Math.abs(second) < FAINTEST ? 0 : second;
    }
    return block;
  }
}
