/** Separates what lasts from what strikes; the twin of orch/audio/stages/harmonic_percussive.py. */

const FRAMES = 9;
const SPREAD = 500;
const FAINTEST = 1e-12;

export class HarmonicPercussive {
  #history;
  #next = 0;
  #half;
  #window;

  /** `bins` of a transform of `size` points at `sampleRate`. */
  constructor(sampleRate, size, bins) {
    this.#half = Math.max(2, Math.round((SPREAD * size) / sampleRate / 2));
    this.#window = new Float64Array(2 * this.#half + 1);
    this.#history = Array.from({ length: FRAMES }, () => new Float64Array(bins));
  }

  adopt(other) {
    other.#history.forEach((frame, index) => this.#history[index].set(frame));
    this.#next = other.#next;
  }

  /** Fill `mask` with how much of each bin lasts, 0 to 1, given the frame's magnitudes. */
  masks(magnitudes, mask) {
    const last = magnitudes.length - 1;
    const half = this.#half;
    const window = this.#window;
    const [a, b, c, d, e, f, g, h, i] = this.#history;
    this.#history[this.#next].set(magnitudes);
    this.#next = (this.#next + 1) % FRAMES;
    // The values around a bin in their order; at the edges the first and the last one count for those beyond.
    for (let index = -half; index <= half; index += 1) window[index + half] = magnitudes[Math.min(last, Math.max(0, index))];
    window.sort();
    for (let bin = 0; bin <= last; bin += 1) {
      const lasting = medianOfNine(a[bin], b[bin], c[bin], d[bin], e[bin], f[bin], g[bin], h[bin], i[bin]);
      const striking = window[half];
      mask[bin] = (lasting * lasting) / (lasting * lasting + striking * striking + FAINTEST);
      replace(window, magnitudes[Math.max(0, bin - half)], magnitudes[Math.min(last, bin + half + 1)]);
    }
  }
}

/** Replace one value of a sorted array, which stays sorted. */
function replace(sorted, old, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < old) low = middle + 1;
    else high = middle;
  }
  let at = low;
  for (; at > 0 && sorted[at - 1] > value; at -= 1) sorted[at] = sorted[at - 1];
  for (; at < sorted.length - 1 && sorted[at + 1] < value; at += 1) sorted[at] = sorted[at + 1];
  sorted[at] = value;
}

/** The median of nine values: of the highest low, the middle middle and the lowest high of three triples (J. Smith, 1996). */
function medianOfNine(a, b, c, d, e, f, g, h, i) {
  const low = Math.max(Math.min(a, b, c), Math.min(d, e, f), Math.min(g, h, i));
  const high = Math.min(Math.max(a, b, c), Math.max(d, e, f), Math.max(g, h, i));
  return medianOfThree(low, medianOfThree(medianOfThree(a, b, c), medianOfThree(d, e, f), medianOfThree(g, h, i)), high);
}

function medianOfThree(a, b, c) {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
