/** A look-ahead limiter for true peaks; the twin of orch/audio/stages/limiter.py, which says how it works. */

import { HOLD, coefficient, peakOf, smoothed, stepSize } from "./envelope.js";
import { TruePeakFilter } from "./true-peak.js";

const AHEAD = 4;
const RELEASE = coefficient(0.06);
const HALF = 12;
const margin = (half) => 10 ** ((half >= HALF ? -0.3 : -0.5) / 20);

export class Limiter {
  #ceiling;
  #filter;
  #size;
  /** The steps that wait, and the newest at the end. */
  #audio;
  #needs = new Float64Array(HOLD + AHEAD + 1).fill(1);
  #lows = new Float64Array(AHEAD + 1).fill(1);
  #out;
  /** The gain of the last step. */
  gain = 1;

  /** `ceiling`: a factor of full scale. */
  constructor(ceiling, sampleRate) {
    this.#size = stepSize(sampleRate);
    this.#filter = new TruePeakFilter(sampleRate, Math.min(HALF, this.#size));
    this.#ceiling = ceiling * margin(this.#filter.half);
    this.#audio = new Float64Array((AHEAD + 2) * this.#size);
    this.#out = new Float64Array(this.#size);
  }

  /** Steps by which the output is late. */
  get late() {
    return AHEAD + 1;
  }

  /** Continue with what waits in another one, under this one's ceiling from now on. */
  adopt(other) {
    // Each step that waits is measured again, as it was when the one after it came.
    const size = this.#size;
    let most = 1;
    this.#needs.set(other.#needs);
    for (let index = 1; index <= AHEAD; index += 1) {
      this.#audio.fill(0);
      this.#audio.set(other.#audio.subarray(size, (index + 2) * size), (AHEAD + 1 - index) * size);
      this.#needs[HOLD + index] = this.#need();
      most = Math.min(most, this.#needs[HOLD + index]);
    }
    this.#audio.set(other.#audio);
    for (let index = 0; index <= AHEAD; index += 1) this.#lows[index] = Math.min(other.#lows[index], most);
    this.gain = Math.min(other.gain, most);
  }

  /** The step that leaves as `step` enters. */
  process(step) {
    this.#enter(step);
    this.#needs.copyWithin(0, 1);
    this.#needs[HOLD + AHEAD] = this.#need();
    let least = 1;
    for (const need of this.#needs) if (need < least) least = need;
    this.#lows.copyWithin(0, 1);
    this.#lows[AHEAD] = smoothed(least, this.#lows[AHEAD - 1], 0, RELEASE);
    let sum = 0;
    for (let index = 1; index <= AHEAD; index += 1) sum += this.#lows[index];
    const before = this.gain;
    this.gain = sum / AHEAD;
    for (let index = 0; index < this.#size; index += 1) {
      this.#out[index] = this.#audio[index] * (before + ((this.gain - before) * (index + 1)) / this.#size);
    }
    return this.#out;
  }

  /** The same delay without limiting. */
  delay(step) {
    this.#enter(step);
    this.#needs.fill(1);
    this.#lows.fill(1);
    this.gain = 1;
    this.#out.set(this.#audio.subarray(0, this.#size));
    return this.#out;
  }

  #enter(step) {
    this.#audio.copyWithin(0, this.#size);
    this.#audio.set(step, (AHEAD + 1) * this.#size);
  }

  /** The gain that the newest step but one needs. */
  #need() {
    const { half, gain } = this.#filter;
    const begin = AHEAD * this.#size;
    const end = begin + this.#size;
    if (peakOf(this.#audio, begin - half, end + half) * gain <= this.#ceiling) return 1;
    const peak = Math.max(this.#filter.peak(this.#audio, begin, end), peakOf(this.#audio, begin, end));
    return Math.min(1, this.#ceiling / Math.max(peak, 1e-9));
  }
}
