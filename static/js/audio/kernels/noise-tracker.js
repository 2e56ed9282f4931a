/** The power of the noise at each frequency, followed through speech: orch/audio/stages/noise_estimation.py. */

const PRIOR = 10 ** 1.8;
const SLOPE = PRIOR / (1 + PRIOR);
const MEMORY = 0.6;
const PRESENCE_MEMORY = 0.23;
const CERTAIN = 0.99;
const MINIMUM_MEMORY = 0.1;
const WINDOW = 1.2;
const OVERTAKEN = 4;
const SHARE = 0.5;
const FIRST = 0.1;
const LEARNING = 0.3;
const VOICED = 0.4;
const CLEAR = 0.7;
export const NOTHING = 1e-10;

export class NoiseTracker {
  #memory;
  #presenceMemory;
  #minimumMemory;
  #window;
  #first;
  #learning;
  #presence;
  #smooth;
  #lowest;
  #coming;
  #frames = 0;

  /** Frames of `bins` powers, `hop` seconds apart. */
  constructor(bins, hop) {
    this.#memory = Math.exp(-hop / MEMORY);
    this.#presenceMemory = Math.exp(-hop / PRESENCE_MEMORY);
    this.#minimumMemory = Math.exp(-hop / MINIMUM_MEMORY);
    this.#window = Math.max(1, Math.round(WINDOW / hop));
    this.#first = Math.max(1, Math.round(FIRST / hop));
    this.#learning = Math.max(1, Math.round(LEARNING / hop));
    this.noise = new Float64Array(bins).fill(NOTHING);
    this.#presence = new Float64Array(bins);
    this.#smooth = new Float64Array(bins).fill(NOTHING);
    this.#lowest = new Float64Array(bins).fill(NOTHING);
    this.#coming = new Float64Array(bins).fill(NOTHING);
  }

  /** Continue the state of another one. */
  adopt(other) {
    this.noise.set(other.noise);
    this.#presence.set(other.#presence);
    this.#smooth.set(other.#smooth);
    this.#lowest.set(other.#lowest);
    this.#coming.set(other.#coming);
    this.#frames = other.#frames;
  }

  /** Update `noise` by a frame's powers, at least NOTHING each. `voice`: the confidence of voice activity, if known. */
  follow(power, voice) {
    const { noise } = this;
    const frames = this.#frames;
    this.#frames += 1;
    // A voice with which a stream begins is not the noise.
    const weight = frames < this.#learning && voice > VOICED ? 10 ** (-1.5 * Math.min((voice - VOICED) / (CLEAR - VOICED), 1)) : 1;
    if (frames === 0) {
      for (let bin = 0; bin < power.length; bin += 1) noise[bin] = power[bin] * weight;
      for (const values of [this.#smooth, this.#lowest, this.#coming]) values.set(noise);
      return;
    }
    const isNewWindow = frames % this.#window === 0;
    // With few frames, each counts as much as each before it.
    const memory = Math.min(this.#memory, 1 - 1 / (frames + 1));
    let overtaken = 0;
    for (let bin = 0; bin < power.length; bin += 1) {
      const given = power[bin] * weight;
      const smooth = this.#minimumMemory * this.#smooth[bin] + (1 - this.#minimumMemory) * given;
      const before = isNewWindow ? this.#coming[bin] : this.#lowest[bin];
      this.#smooth[bin] = smooth;
      this.#lowest[bin] = Math.min(before, smooth);
      this.#coming[bin] = isNewWindow ? smooth : Math.min(this.#coming[bin], smooth);
      if (frames < this.#first) {
        noise[bin] += (given - noise[bin]) / (frames + 1);
        continue;
      }
      let present = 1 / (1 + (1 + PRIOR) * Math.exp(-SLOPE * Math.min(given / noise[bin], 500)));
      this.#presence[bin] = this.#presenceMemory * this.#presence[bin] + (1 - this.#presenceMemory) * present;
      if (this.#presence[bin] > CERTAIN) present = Math.min(present, CERTAIN);
      noise[bin] += (1 - memory) * (1 - present) * (given - noise[bin]);
      if (this.#lowest[bin] > OVERTAKEN * noise[bin]) overtaken += 1;
    }
    if (overtaken <= SHARE * power.length) return;
    for (let bin = 0; bin < power.length; bin += 1) {
      if (this.#lowest[bin] > OVERTAKEN * noise[bin]) noise[bin] = this.#lowest[bin];
    }
  }
}
