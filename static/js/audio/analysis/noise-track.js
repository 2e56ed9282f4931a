/**
 * The ratio of speech to noise, and the noise floor, of the sound at a tap: of all of it, and of the last 6 to 12 s.
 *
 * Sound and voice activity of the same samples arrive one before the other, and are measured once both are there. The
 * estimates are those of the service (kernels/noise-ratio.js): the recent one begins again every 6 s, and is read from
 * the older of two.
 */

import { NoiseFrames } from "../kernels/noise-frames.js";
import { NoiseEstimate } from "../kernels/noise-ratio.js";
import { Pending } from "../kernels/pending.js";

/** Seconds. */
const RENEWED = 6;
const LONGEST = 2 * RENEWED;
/** Frames of 10 ms between two readings of the recent estimate. */
const READ_EVERY = 25;

export class NoiseTrack {
  #frames;
  #whole;
  #older;
  #younger = null;
  #recent;
  #sinceRead = 0;
  #sound = new Pending(Float32Array);
  /** What is known about the samples in #sound, oldest first: [{activity, count}]. */
  #known = [];

  constructor(sampleRate) {
    this.#frames = new NoiseFrames(sampleRate);
    this.#whole = new NoiseEstimate(this.#frames);
    this.#older = new NoiseEstimate(this.#frames);
    this.#recent = this.#older.value;
  }

  /** The next samples. */
  add(samples) {
    this.#sound.add(samples);
    this.#measure();
  }

  /** The activity of the next samples, {confidence, speech}, which stay as they are; null for `count` without any. */
  addActivity(activity, count) {
    if (count === 0) return;
    this.#known.push({ activity, count });
    this.#measure();
  }

  /** No more activity will follow. */
  finish() {
    this.addActivity(null, this.#sound.length);
  }

  /** {snrDb, floorDb, confidence, reason} of everything. */
  get whole() {
    return this.#whole.value;
  }

  /** The same of the last 6 to 12 s. */
  get recent() {
    return this.#recent;
  }

  #measure() {
    while (this.#known.length > 0 && this.#sound.length > 0) {
      const [{ activity, count }] = this.#known;
      const length = Math.min(count, this.#sound.length);
      const known = activity && { confidence: activity.confidence.subarray(0, length), speech: activity.speech.subarray(0, length) };
      this.#frames.add(this.#sound.all.subarray(0, length), known, (frame) => this.#add(frame));
      this.#sound.remove(length);
      if (length === count) this.#known.shift();
      else this.#known[0] = { activity: activity && { confidence: activity.confidence.subarray(length), speech: activity.speech.subarray(length) }, count: count - length };
    }
  }

  #add(frame) {
    for (const estimate of [this.#whole, this.#older, this.#younger]) estimate?.add(frame);
    if (this.#older.seconds >= LONGEST) {
      this.#older = this.#younger;
      this.#younger = null;
    }
    if (this.#younger === null && this.#older.seconds >= RENEWED) this.#younger = new NoiseEstimate(this.#frames);
    this.#sinceRead += 1;
    if (this.#sinceRead < READ_EVERY) return;
    this.#sinceRead = 0;
    this.#recent = this.#older.value;
  }
}
