/** Separates what lasts from what strikes; the twin of orch/audio/stages/harmonic_percussive.py. */

const FRAMES = 9;
const SPREAD = 500;
const FAINTEST = 1e-12;

export class HarmonicPercussive {
  #history;
  #next = 0;
  #half;
  #window;
  #column = new Float64Array(FRAMES);

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
    const bins = magnitudes.length;
    this.#history[this.#next].set(magnitudes);
    this.#next = (this.#next + 1) % FRAMES;
    for (let bin = 0; bin < bins; bin += 1) {
      for (let frame = 0; frame < FRAMES; frame += 1) this.#column[frame] = this.#history[frame][bin];
      const lasting = median(this.#column);
      for (let index = 0; index < this.#window.length; index += 1) {
        this.#window[index] = magnitudes[Math.min(bins - 1, Math.max(0, bin + index - this.#half))];
      }
      const striking = median(this.#window);
      mask[bin] = (lasting * lasting) / (lasting * lasting + striking * striking + FAINTEST);
    }
  }
}

/** The median of an odd number of values, which it sorts. */
function median(values) {
  values.sort();
  return values[(values.length - 1) / 2];
}
