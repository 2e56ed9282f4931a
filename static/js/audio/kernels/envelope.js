/**
 * Levels and gains on a grid of one millisecond; the twin of orch/audio/stages/envelope.py, which says why.
 */

/** Seconds. */
export const STEP = 0.001;
/** Steps for which a peak still counts. */
export const HOLD = 9;
/** Samples on each side of one that its level needs. */
const HALF = 7;
/** A smoothed value that is so near to what is wanted is equal to it. */
const ARRIVED = 1e-7;
/** The lowest level. */
const SILENCE_DB = -120;
const SILENCE = 10 ** (SILENCE_DB / 20);

/** The samples of a step. */
export const stepSize = (sampleRate) => Math.max(1, roundHalfEven(STEP * sampleRate));

/** As Python rounds: halves go to the even neighbour. */
function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** A level in dB, at least −120. */
export const decibels = (level) => 20 * Math.log10(Math.max(level, SILENCE));

/** The square of a magnitude in dB, at least −120. */
export const powerDecibels = (power) => 10 * Math.log10(Math.max(power, SILENCE * SILENCE));

/** A gain in dB as a factor. */
export const factor = (decibel) => 10 ** (decibel / 20);

/** c of a smoothing with a time constant in seconds, a step at a time. */
export const coefficient = (seconds) => (seconds > 0 ? Math.exp(-STEP / seconds) : 0);

/** The next value of a smoothing towards `target`; `falling`, `rising`: the c of each direction. */
export function smoothed(target, before, falling, rising) {
  const away = (target < before ? falling : rising) * (before - target);
  return Math.abs(away) > ARRIVED ? target + away : target;
}

/** The gain in dB of a compressor with a soft knee for a level in dB (Giannoulis et al. 2012, eq. 4). */
export function compression(level, { threshold, ratio, knee }) {
  const over = level - threshold;
  const inside = Math.min(knee, Math.max(0, over + knee / 2));
  return (1 / ratio - 1) * (Math.max(0, over - knee / 2) + (knee > 0 ? (inside * inside) / (2 * knee) : 0));
}

/** The gain in dB of a downward expander for a level in dB; at least −`range`. */
export const expansion = (level, { threshold, ratio, range }) => Math.min(0, Math.max(-range, (ratio - 1) * (level - threshold)));

/** The highest magnitude of `samples` from `begin` to `end`. */
export function peakOf(samples, begin, end) {
  let most = 0;
  for (let index = begin; index < end; index += 1) {
    const value = Math.abs(samples[index]);
    if (value > most) most = value;
  }
  return most;
}

/** Measures the level of a stream, a step at a time: the square of its held magnitude. */
export class Levels {
  #samples;
  #powers = new Float64Array(HOLD + 1);

  /** `size`: samples of a step. */
  constructor(size) {
    this.#samples = new Float64Array(2 * HALF + size);
  }

  adopt(other) {
    this.#samples.set(other.#samples);
    this.#powers.set(other.#powers);
  }

  /** As if there had been nothing before. */
  reset() {
    this.#samples.fill(0);
    this.#powers.fill(0);
  }

  /** The square of the highest magnitude of this step and those that are held, HALF samples late. */
  add(step) {
    const x = this.#samples;
    const powers = this.#powers;
    x.copyWithin(0, step.length);
    x.set(step, 2 * HALF);
    let most = 0;
    for (let at = HALF; at < HALF + step.length; at += 1) {
      const turned =
        0.615898 * (x[at + 1] - x[at - 1]) + 0.156331 * (x[at + 3] - x[at - 3]) + 0.051743 * (x[at + 5] - x[at - 5]) + 0.012585 * (x[at + 7] - x[at - 7]);
      const power = x[at] * x[at] + turned * turned;
      if (power > most) most = power;
    }
    powers.copyWithin(0, 1);
    powers[HOLD] = most;
    for (let index = 0; index < HOLD; index += 1) if (powers[index] > most) most = powers[index];
    return most;
  }
}

/**
 * Cuts a stream into steps and hands each to `process(step)` (Float64Array of one step, changed in place, or the
 * array that it returns), and returns as many samples as it was given, a step late.
 */
export class Steps {
  #size;
  #step;
  #filled = 0;
  #ready;
  #first = 0;
  #count;
  #out = new Float32Array(128);

  constructor(size) {
    this.#size = size;
    this.#step = new Float64Array(size);
    this.#ready = new Float64Array(4 * size);
    this.#count = size;
  }

  /** Continue where another one is. */
  adopt(other) {
    this.#step.set(other.#step);
    this.#filled = other.#filled;
    this.#ready = other.#ready.slice();
    this.#first = other.#first;
    this.#count = other.#count;
  }

  /** The block, `gain` times as loud, through `process`; the returned array is used again by the next call. */
  process(block, gain, process) {
    const step = this.#step;
    for (let taken = 0; taken < block.length; ) {
      const count = Math.min(this.#size - this.#filled, block.length - taken);
      for (let index = 0; index < count; index += 1) step[this.#filled + index] = block[taken + index] * gain;
      this.#filled += count;
      taken += count;
      if (this.#filled === this.#size) {
        this.#filled = 0;
        this.#append(process(step));
      }
    }
    if (this.#out.length !== block.length) this.#out = new Float32Array(block.length);
    const out = this.#out;
    const ready = this.#ready;
    for (let index = 0, at = this.#first; index < out.length; index += 1, at += 1) out[index] = ready[at];
    this.#first += out.length;
    this.#count -= out.length;
    return out;
  }

  #append(step) {
    const end = this.#first + this.#count;
    if (end + step.length > this.#ready.length) {
      const room = this.#count + step.length > this.#ready.length / 2 ? new Float64Array(2 * this.#ready.length) : this.#ready;
      room.set(this.#ready.subarray(this.#first, end));
      this.#ready = room;
      this.#first = 0;
    }
    this.#ready.set(step, this.#first + this.#count);
    this.#count += step.length;
  }
}
