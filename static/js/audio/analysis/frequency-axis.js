/** A logarithmic frequency axis: the same distance for each octave. */

/** Where the axis begins (Hz). */
export const LOWEST_HZ = 40;
const LABELLED = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000];

export class FrequencyAxis {
  #ratio;

  /** From `low` to `high` Hz. */
  constructor(low, high) {
    this.low = low;
    this.high = high;
    this.#ratio = Math.log(high / low);
  }

  /** The place of a frequency: 0 at the low end, 1 at the high end. */
  place(frequency) {
    return Math.log(Math.max(frequency, 1e-3) / this.low) / this.#ratio;
  }

  /** The frequency (Hz) at a place. */
  frequency(place) {
    return this.low * Math.exp(place * this.#ratio);
  }

  /** The round frequencies on the axis, for its labels. */
  get ticks() {
    return LABELLED.filter((frequency) => frequency >= this.low && frequency <= this.high);
  }
}

/**
 * Collects a spectrum's bins into bands of equal width on a logarithmic axis. A band has the highest level of its
 * bins: a tone stays visible. A band narrower than a bin has the level between the two bins around it.
 */
export class LogBands {
  #first;
  #last;
  #share;

  constructor(axis, count, bins, binWidth) {
    this.count = count;
    this.#first = new Int32Array(count);
    this.#last = new Int32Array(count);
    this.#share = new Float64Array(count);
    for (let band = 0; band < count; band += 1) {
      const low = Math.ceil(axis.frequency(band / count) / binWidth);
      const high = Math.ceil(axis.frequency((band + 1) / count) / binWidth) - 1;
      const centre = axis.frequency((band + 0.5) / count) / binWidth;
      const isNarrow = high < low;
      this.#first[band] = Math.min(isNarrow ? Math.floor(centre) : low, bins);
      this.#last[band] = Math.min(isNarrow ? Math.floor(centre) + 1 : high, bins - 1);
      this.#share[band] = isNarrow ? centre - Math.floor(centre) : -1;
    }
  }

  /** The level of each band into `out`, which it returns; `absent` for bands above the spectrum. */
  collect(levels, out = new Float32Array(this.count), absent = -160) {
    for (let band = 0; band < this.count; band += 1) {
      const [first, last, share] = [this.#first[band], this.#last[band], this.#share[band]];
      if (last < first || first >= levels.length) out[band] = absent;
      else if (share >= 0) out[band] = levels[first] + share * (levels[last] - levels[first]);
      else {
        let most = levels[first];
        for (let bin = first + 1; bin <= last; bin += 1) if (levels[bin] > most) most = levels[bin];
        out[band] = most;
      }
    }
    return out;
  }
}
