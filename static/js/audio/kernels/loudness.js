/** Loudness and true peak by ITU-R BS.1770-5 and EBU R 128; the twin of orch/audio/loudness.py. */

import { Filter } from "./biquad.js";
import { peakOf } from "./envelope.js";
import { kWeighting, lufs } from "./k-weighting.js";
import { TruePeakFilter } from "./true-peak.js";

const GATES = { absolute: -70, integrated: -10, range: -20 };
const EVERY = 0.1;
const MOMENTARY = 4;
const SHORT_TERM = 30;
const BIN = 0.1;
const LOWEST = -70;
const HIGHEST = 20;
const SURROUND = 1.41;

/** Counts blocks by loudness, and sums their power. */
class Histogram {
  #counts = new Float64Array(Math.round((HIGHEST - LOWEST) / BIN));
  #powers = new Float64Array(this.#counts.length);
  #count = 0;

  add(power) {
    const level = lufs(power);
    if (!(level > GATES.absolute)) return;
    const at = Math.min(Math.floor((level - LOWEST) / BIN), this.#counts.length - 1);
    this.#counts[at] += 1;
    this.#powers[at] += power;
    this.#count += 1;
  }

  /** The first bin above a relative gate (LU), or null without blocks. */
  #above(gate) {
    if (this.#count === 0) return null;
    const mean = lufs(this.#powers.reduce((sum, power) => sum + power, 0) / this.#count);
    return Math.max(0, Math.ceil(Number(((mean + gate - LOWEST) / BIN).toFixed(6))));
  }

  integrated() {
    const first = this.#above(GATES.integrated);
    if (first === null) return null;
    let count = 0;
    let power = 0;
    for (let at = first; at < this.#counts.length; at += 1) {
      count += this.#counts[at];
      power += this.#powers[at];
    }
    return count > 0 ? lufs(power / count) : null;
  }

  range() {
    const first = this.#above(GATES.range);
    if (first === null) return null;
    const counts = this.#counts.subarray(first);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return null;
    const percentile = (share) => {
      const place = Math.floor(share * (total - 1) + 0.5);
      let sum = 0;
      return counts.findIndex((count) => {
        sum += count;
        return sum > place;
      });
    };
    return (percentile(0.95) - percentile(0.1)) * BIN;
  }
}

export class LoudnessMeter {
  #filters;
  #weights;
  #part;
  #sum = 0;
  #count = 0;
  /** The powers of the last parts of 100 ms. */
  #parts = [];
  #momentary = new Histogram();
  #short = new Histogram();
  #momentaryMax = -Infinity;
  #shortMax = -Infinity;
  #peakFilter;
  #tails;
  #peak = 0;

  constructor(sampleRate, channels = 1) {
    this.#filters = Array.from({ length: channels }, () => new Filter(kWeighting(sampleRate)));
    this.#weights = Array.from({ length: channels }, (_, index) => (index < 3 ? 1 : index === 3 ? 0 : SURROUND));
    this.#part = Math.round(EVERY * sampleRate);
    this.#peakFilter = new TruePeakFilter(sampleRate);
    this.#tails = Array.from({ length: channels }, () => new Float64Array(2 * this.#peakFilter.half));
  }

  /** Measure the next samples: an array for each channel, full scale 1. */
  add(channels) {
    const count = channels[0].length;
    if (count === 0) return;
    const power = new Float64Array(count);
    channels.forEach((samples, channel) => {
      this.#addPeak(samples, channel);
      if (this.#weights[channel] === 0) return;
      const weighted = this.#filters[channel].process(Float64Array.from(samples));
      for (let index = 0; index < count; index += 1) power[index] += this.#weights[channel] * weighted[index] * weighted[index];
    });
    for (let index = 0; index < count; index += 1) {
      this.#sum += power[index];
      this.#count += 1;
      if (this.#count === this.#part) {
        this.#addPart(this.#sum / this.#part);
        this.#sum = 0;
        this.#count = 0;
      }
    }
  }

  /**
   * What was measured: {momentary, momentaryMax, shortTerm, shortTermMax, integrated, range} in LUFS and LU, null
   * where nothing was long or loud enough; `truePeak`, a factor.
   */
  result() {
    const finite = (level) => (Number.isFinite(level) ? level : null);
    const present = (count) => (this.#parts.length < count ? null : finite(lufs(mean(this.#parts.slice(-count)))));
    const { half } = this.#peakFilter;
    const peaks = this.#tails.map((tail) => {
      const padded = new Float64Array(tail.length + 2 * half);
      padded.set(tail);
      return this.#peakFilter.peak(padded, half, half + tail.length);
    });
    return {
      momentary: present(MOMENTARY),
      momentaryMax: finite(this.#momentaryMax),
      shortTerm: present(SHORT_TERM),
      shortTermMax: finite(this.#shortMax),
      integrated: this.#momentary.integrated(),
      range: this.#short.range(),
      truePeak: Math.max(this.#peak, ...peaks),
    };
  }

  #addPart(power) {
    this.#parts.push(power);
    if (this.#parts.length > SHORT_TERM) this.#parts.shift();
    if (this.#parts.length >= MOMENTARY) {
      const level = mean(this.#parts.slice(-MOMENTARY));
      this.#momentary.add(level);
      this.#momentaryMax = Math.max(this.#momentaryMax, lufs(level));
    }
    if (this.#parts.length === SHORT_TERM) {
      const level = mean(this.#parts);
      this.#short.add(level);
      this.#shortMax = Math.max(this.#shortMax, lufs(level));
    }
  }

  #addPeak(samples, channel) {
    const tail = this.#tails[channel];
    const padded = new Float64Array(tail.length + samples.length);
    padded.set(tail);
    padded.set(samples, tail.length);
    this.#tails[channel] = padded.slice(-tail.length);
    const highest = peakOf(padded, 0, padded.length);
    if (highest * this.#peakFilter.gain <= this.#peak) return;
    const { half } = this.#peakFilter;
    this.#peak = Math.max(this.#peak, highest, this.#peakFilter.peak(padded, half, padded.length - half));
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
