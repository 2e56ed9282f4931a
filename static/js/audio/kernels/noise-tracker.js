/** The power of the noise at each frequency, followed through speech: orch/audio/stages/noise_estimation.py. */

const PRIOR = 10 ** 1.8;
const SLOPE = PRIOR / (1 + PRIOR);
const MEMORY = 0.7;
const PRESENCE_MEMORY = 0.23;
const CERTAIN = 0.99;
const MINIMUM_MEMORY = 0.1;
const WINDOW = 1.2;
const OVERTAKEN = 4;
const SHARE = 0.5;
const MINIMUM_BIAS = 2;
const NEIGHBOURS = 6;
const FIRST = 0.1;
const LEARNING = 0.288;
const VOICED = 0.4;
const CLEAR = 0.7;
const SPREAD_BAND = [80, 1000];
const SPREAD_MEMORY = 1.5;
const FAINT = 0.01;
const UNSTEADY = [0.75, 1.05];
const UNSTEADY_MEMORY = 4;
const EULER = 0.5772156649015329;
export const NOTHING = 1e-10;

/** 0 at the first bound, 1 at the second one, and in proportion between them. */
export const between = (value, [first, second]) => Math.min(Math.max((value - first) / (second - first), 0), 1);

export class NoiseTracker {
  #hop;
  #band;
  #spreadMemory;
  #mean;
  #logarithm;
  #presenceMemory;
  #minimumMemory;
  #window;
  #first;
  #learning;
  #scaled;
  #presence;
  #absent;
  #certain;
  #smooth;
  #lowest;
  #coming;
  #frames = 0;
  #isLowered = false;

  /** Frames `hop` seconds apart, of `bins` powers `resolution` Hz apart. */
  constructor(bins, resolution, hop) {
    this.#hop = hop;
    const [first, last] = SPREAD_BAND.map((hertz) => Math.round(hertz / resolution));
    this.#band = [first, Math.min(last, bins)];
    this.#spreadMemory = Math.exp(-hop / SPREAD_MEMORY);
    this.#mean = new Float64Array(this.#band[1] - first);
    this.#logarithm = new Float64Array(this.#mean.length);
    this.#certain = new Float64Array(this.#mean.length);
    this.spread = EULER;
    this.#presenceMemory = Math.exp(-hop / PRESENCE_MEMORY);
    this.#minimumMemory = Math.exp(-hop / MINIMUM_MEMORY);
    this.#window = Math.max(1, Math.round(WINDOW / hop));
    this.#first = Math.max(1, Math.round(FIRST / hop));
    this.#learning = Math.max(1, Math.round(LEARNING / hop));
    this.#scaled = new Float64Array(bins);
    this.noise = new Float64Array(bins).fill(NOTHING);
    this.#presence = new Float64Array(bins);
    this.#absent = new Float64Array(bins);
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
    this.#mean.set(other.#mean);
    this.#logarithm.set(other.#logarithm);
    this.spread = other.spread;
    this.#frames = other.#frames;
    this.#isLowered = other.#isLowered;
  }

  /** 0 where the noise is steady, 1 where it varies as much as voices do. */
  get unsteadiness() {
    return between(this.spread, UNSTEADY);
  }

  /** Update `noise` by a frame's powers, at least NOTHING each. `voice`: the confidence of voice activity, if known. */
  follow(power, voice) {
    if (!(this.#frames < this.#learning && voice > VOICED)) return this.#follow(power, power);
    // A voice with which a stream begins is not the noise.
    const weight = 10 ** (-1.5 * between(voice, [VOICED, CLEAR]));
    this.#isLowered = true;
    for (let bin = 0; bin < power.length; bin += 1) this.#scaled[bin] = power[bin] * weight;
    return this.#follow(this.#scaled, power);
  }

  /** `whole`: the power of which the minimum is followed, also of what is taken for a voice. */
  #follow(power, whole) {
    const { noise } = this;
    const frames = this.#frames;
    this.#frames += 1;
    if (frames === 0) {
      noise.set(power);
      for (const values of [this.#smooth, this.#lowest, this.#coming]) values.set(whole);
      for (let index = 0; index < this.#mean.length; index += 1) this.#learn(index, power, 1);
      return;
    }
    this.#minimum(whole, frames % this.#window === 0);
    if (frames < this.#first) {
      // The first frames are partly of the silence before the stream.
      for (const values of [this.#smooth, this.#lowest, this.#coming]) values.set(whole);
      for (let bin = 0; bin < power.length; bin += 1) noise[bin] += (power[bin] - noise[bin]) / (frames + 1);
      for (let index = 0; index < this.#mean.length; index += 1) this.#learn(index, power, 1 / (frames + 1));
      return;
    }
    this.#presences(power);
    // With few frames, each counts as much as each before it.
    const most = 1 - 1 / (frames + 1);
    const weight = 1 - Math.min(this.#spreadMemory, most);
    for (let index = 0; index < this.#mean.length; index += 1) {
      this.#learn(index, power, this.#certain[index] * weight);
    }
    this.spread = this.#spreading();
    const part = 1 - Math.min(Math.exp(-this.#hop / (MEMORY + (UNSTEADY_MEMORY - MEMORY) * this.unsteadiness)), most);
    for (let bin = 0; bin < power.length; bin += 1) noise[bin] += part * this.#absent[bin] * (power[bin] - noise[bin]);
    if (this.#isLowered && frames === this.#window) this.#replace(this.#averaged(), 1, -1);
    else if (frames >= this.#window) this.#replace(this.#lowest, OVERTAKEN, SHARE * power.length);
  }

  /** Follow the smallest smoothed power. */
  #minimum(power, isNewWindow) {
    const [smooth, lowest, coming] = [this.#smooth, this.#lowest, this.#coming];
    const past = this.#minimumMemory;
    for (let bin = 0; bin < power.length; bin += 1) {
      const value = past * smooth[bin] + (1 - past) * power[bin];
      smooth[bin] = value;
      const before = isNewWindow ? coming[bin] : lowest[bin];
      lowest[bin] = before < value ? before : value;
      if (isNewWindow || value < coming[bin]) coming[bin] = value;
    }
  }

  /** Set the absence of speech at each frequency. */
  #presences(power) {
    const [noise, presence] = [this.noise, this.#presence];
    const past = this.#presenceMemory;
    for (let bin = 0; bin < power.length; bin += 1) {
      const present = 1 / (1 + (1 + PRIOR) * Math.exp((-SLOPE * power[bin]) / noise[bin]));
      const index = bin - this.#band[0];
      if (index >= 0 && index < this.#certain.length) this.#certain[index] = 1 - present;
      presence[bin] = past * presence[bin] + (1 - past) * present;
      this.#absent[bin] = 1 - (presence[bin] > CERTAIN && present > CERTAIN ? CERTAIN : present);
    }
  }

  #learn(index, power, weight) {
    const value = power[this.#band[0] + index];
    this.#mean[index] += weight * (value - this.#mean[index]);
    this.#logarithm[index] += weight * (Math.log(value) - this.#logarithm[index]);
  }

  #spreading() {
    let most = 0;
    for (const mean of this.#mean) if (mean > most) most = mean;
    let [sum, count] = [0, 0];
    for (let index = 0; index < this.#mean.length; index += 1) {
      if (!(this.#mean[index] > FAINT * most)) continue;
      sum += Math.log(this.#mean[index]) - this.#logarithm[index];
      count += 1;
    }
    return sum / count;
  }

  /** MINIMUM_BIAS times the mean of each minimum and its neighbours: one varies much. */
  #averaged() {
    const lowest = this.#lowest;
    return lowest.map((_, bin) => {
      const near = lowest.subarray(Math.max(bin - NEIGHBOURS, 0), bin + NEIGHBOURS + 1);
      return (MINIMUM_BIAS * near.reduce((sum, value) => sum + value, 0)) / near.length;
    });
  }

  /** Begin again with what `least` is where it is more than `times` the noise, in more than `share` bins. */
  #replace(least, times, share) {
    let overtaken = 0;
    for (let bin = 0; bin < least.length; bin += 1) if (least[bin] > times * this.noise[bin]) overtaken += 1;
    if (!(overtaken > share)) return;
    for (let bin = 0; bin < least.length; bin += 1) {
      if (least[bin] > times * this.noise[bin]) this.noise[bin] = least[bin];
    }
    for (let index = 0; index < this.#mean.length; index += 1) {
      this.#mean[index] = this.noise[this.#band[0] + index];
      this.#logarithm[index] = Math.log(this.#mean[index]) - EULER;
    }
  }
}
