/**
 * The stage voiceFilter: a high-pass below the fundamental that follows the voice, one gain up to the third formant
 * (or a bell for each formant), and a boost of sibilance. The twin of orch/audio/stages/voice_filter.py, which has
 * the equations.
 */

import { Filter, highPass, highShelf, peaking } from "./biquad.js";
import { FundamentalFinder } from "./fundamental.js";

const SHARE = 0.7;
const HARMONIC = 0.7;
const HOP = 0.04;
const FALL = 0.08;
const RISE = 1;
const STEP = 1.03;
const Q4 = [0.541196100146197, 1.3065629648763766];
const HIGHEST = 0.495;

const bounded = (value, low, high) => Math.min(Math.max(value, low), high);

/** The high-pass at a lower edge in Hz. */
export const lower = (edge, sampleRate) => Q4.flatMap((q) => highPass(edge, sampleRate, q));

/** A shelf from `frequency` on; none where it is above half the sample rate or changes nothing. */
const shelf = (frequency, gain, sampleRate) =>
  frequency >= HIGHEST * sampleRate || gain === 1 ? [] : highShelf(frequency, gain, sampleRate);

/** The filters with another gain. */
function raised(sections, gain) {
  if (gain === 1) return sections;
  const [[b0, b1, b2, a1, a2], ...others] = sections.length ? sections : [[1, 0, 0, 0, 0]];
  return [[gain * b0, gain * b1, gain * b2, a1, a2], ...others];
}

/** A bell with half of `gain` in dB at `low` and `high`, exactly, at any sample rate. */
function bell(low, high, gain, sampleRate) {
  if (low >= HIGHEST * sampleRate || gain === 1) return [];
  const [first, last] = [low, high].map((edge) => Math.tan(Math.PI * Math.min(edge / sampleRate, HIGHEST)));
  const centre = (Math.atan(Math.sqrt(first * last)) * sampleRate) / Math.PI;
  return peaking(centre, (centre * (last - first)) / Math.sqrt(first * last), gain, sampleRate);
}

/** The filters that do not move. */
export function bands(parameters, sampleRate) {
  const p = parameters;
  const gain = p.voiceBandGain;
  const voice = p.preserveFormants
    ? raised(shelf(p.formant3Max, 1 / gain, sampleRate), gain)
    : [1, 2, 3].flatMap((formant) => bell(p[`formant${formant}Min`], p[`formant${formant}Max`], gain, sampleRate));
  if (p.sibilanceMin >= HIGHEST * sampleRate) return voice;
  return [
    ...voice,
    ...shelf(p.sibilanceMin, p.sibilanceBoost, sampleRate),
    ...shelf(p.sibilanceMax, 1 / p.sibilanceBoost, sampleRate),
  ];
}

export class VoiceFilterKernel {
  #parameters;
  #sampleRate;
  #finder;
  #recent;
  #filled = 0;
  #edge;
  #low;
  #rest;
  #bands;
  #samples = new Float64Array(0);
  #out = new Float32Array(0);

  constructor(parameters, sampleRate) {
    this.#parameters = parameters;
    this.#sampleRate = sampleRate;
    const frame = Math.round(HOP * sampleRate);
    this.#finder = new FundamentalFinder(sampleRate, { lowest: parameters.fundamentalMin, highest: parameters.fundamentalMax, frame });
    this.#recent = new Float64Array(frame);
    this.#edge = parameters.fundamentalMin;
    this.#low = new Filter(lower(this.#edge, sampleRate));
    this.#bands = bands(parameters, sampleRate);
    this.#rest = new Filter(this.#bands);
    /** Samples by which the output is late. */
    this.latency = 0;
    /** dB; the gain does not follow the sound. */
    this.reduction = 0;
  }

  /** Filter a block (Float32Array); the returned array is used again by the next call. */
  process(block) {
    const count = block.length;
    if (this.#samples.length < count) {
      this.#samples = new Float64Array(count);
      this.#out = new Float32Array(count);
    }
    for (let index = 0; index < count; index += 1) this.#samples[index] = block[index];
    let begin = 0;
    // The edge moves on a grid that is counted from the first sample.
    while (begin < count) {
      const end = this.#parameters.adaptiveFiltering ? Math.min(count, begin + this.#recent.length - this.#filled) : count;
      const part = this.#samples.subarray(begin, end);
      if (this.#parameters.adaptiveFiltering) {
        this.#recent.set(part, this.#filled);
        this.#filled += part.length;
      }
      this.#low.process(part);
      begin = end;
      if (this.#filled === this.#recent.length) this.#follow();
    }
    const all = this.#samples.subarray(0, count);
    this.#rest.process(all);
    const out = this.#out.subarray(0, count);
    out.set(all);
    return out;
  }

  /** Move the edge by the frame that is complete. */
  #follow() {
    this.#filled = 0;
    this.#finder.measure(this.#recent);
    if (this.#finder.harmonicity < HARMONIC) return;
    const { fundamentalMin, fundamentalMax } = this.#parameters;
    const target = bounded(SHARE * this.#finder.frequency, fundamentalMin, fundamentalMax);
    const share = 1 - Math.exp(-HOP / (target < this.#edge ? FALL : RISE));
    const moved = this.#edge * (target / this.#edge) ** share;
    this.#setEdge(bounded(moved, this.#edge / STEP, this.#edge * STEP));
  }

  #setEdge(edge) {
    if (edge === this.#edge) return;
    this.#edge = edge;
    const low = new Filter(lower(edge, this.#sampleRate));
    low.adopt(this.#low);
    this.#low = low;
  }

  /** Nothing is late: an empty block. */
  flush() {
    return this.#out.subarray(0, 0);
  }

  /** Continue where a kernel with other parameters is. */
  adopt(old) {
    this.#low.adopt(old.#low);
    if (this.#bands.length === old.#bands.length) this.#rest.adopt(old.#rest);
    if (this.#recent.length === old.#recent.length) {
      this.#recent.set(old.#recent);
      this.#filled = old.#filled;
    }
    const { fundamentalMin, fundamentalMax, adaptiveFiltering } = this.#parameters;
    this.#setEdge(adaptiveFiltering ? bounded(old.#edge, fundamentalMin, fundamentalMax) : fundamentalMin);
  }
}
