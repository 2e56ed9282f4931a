/** What was measured during the last seconds, for the plots. The mutable state: the rings of columns. Pure. */

import { BANDS, COLUMNS_PER_SECOND, SPECTROGRAM_PER_SECOND } from "../audio/analysis/measures.js";
import { WaveformColumns } from "../audio/analysis/waveform.js";
import { STORED_SECONDS } from "./audio-view.js";

const POINTS_PER_SECOND = 4;

/** One side. Its time begins at `begun`, when its tap was chosen. */
export class SideHistory {
  waveform = new WaveformColumns(1, STORED_SECONDS * COLUMNS_PER_SECOND);
  #columns = new Uint8Array(STORED_SECONDS * SPECTROGRAM_PER_SECOND * BANDS);
  #count = 0;

  constructor(begun = 0) {
    this.begun = begun;
    this.levels = null;
    this.peaks = null;
    this.strongest = null;
    this.values = null;
  }

  /** The same until now, which stays as it is. */
  copy() {
    const other = new SideHistory(this.begun);
    other.waveform = this.waveform.copy();
    other.#columns.set(this.#columns);
    other.#count = this.#count;
    return Object.assign(other, { levels: this.levels, peaks: this.peaks, strongest: this.strongest, values: this.values });
  }

  /** Seconds until which there is sound. */
  get end() {
    return this.begun + this.waveform.length / COLUMNS_PER_SECOND;
  }

  add({ low, high, columns, levels, peaks, strongest, values }) {
    for (let index = 0; index < low.length; index += 1) this.waveform.push(low[index], high[index]);
    const capacity = this.#columns.length / BANDS;
    for (let at = 0; at < columns.length; at += BANDS) {
      this.#columns.set(columns.subarray(at, at + BANDS), (this.#count % capacity) * BANDS);
      this.#count += 1;
    }
    if (levels !== undefined) Object.assign(this, { levels, peaks, strongest, values });
  }

  /** {low, high} of the sound from `begin` to `end` seconds, or null. */
  extent(begin, end) {
    const first = Math.floor((begin - this.begun) * COLUMNS_PER_SECOND);
    return this.waveform.range(first, Math.max(first + 1, Math.ceil((end - this.begun) * COLUMNS_PER_SECOND)));
  }

  /** The bands (bytes) of the spectrogram at a time, or null. */
  bands(seconds) {
    const capacity = this.#columns.length / BANDS;
    const index = Math.floor((seconds - this.begun) * SPECTROGRAM_PER_SECOND);
    if (index < Math.max(0, this.#count - capacity) || index >= this.#count) return null;
    const at = (index % capacity) * BANDS;
    return this.#columns.subarray(at, at + BANDS);
  }
}

/** The voice activity in columns; −1 where the VAD stage was off. */
export class ActivityHistory {
  #confidence = new Float32Array(STORED_SECONDS * COLUMNS_PER_SECOND);
  #speech = new Uint8Array(STORED_SECONDS * COLUMNS_PER_SECOND);
  #length = 0;

  copy() {
    const other = new ActivityHistory();
    other.#confidence.set(this.#confidence);
    other.#speech.set(this.#speech);
    other.#length = this.#length;
    return other;
  }

  get end() {
    return this.#length / COLUMNS_PER_SECOND;
  }

  /** `columns` {confidence, speech}, or null where the stage is off: then nothing is known until `end` seconds. */
  add(columns, end) {
    if (columns === null) {
      const until = Math.floor(end * COLUMNS_PER_SECOND);
      while (this.#length < until) this.#push(-1, 0);
      return;
    }
    columns.confidence.forEach((confidence, index) => this.#push(confidence, columns.speech[index]));
  }

  #push(confidence, speech) {
    const at = this.#length % this.#confidence.length;
    this.#confidence[at] = confidence;
    this.#speech[at] = speech;
    this.#length += 1;
  }

  /** {confidence, speech} at a time, or null where nothing is known. */
  at(seconds) {
    const index = Math.floor(seconds * COLUMNS_PER_SECOND);
    if (index < Math.max(0, this.#length - this.#confidence.length) || index >= this.#length) return null;
    const at = index % this.#confidence.length;
    return this.#confidence[at] < 0 ? null : { confidence: this.#confidence[at], speech: this.#speech[at] !== 0 };
  }
}

/** The ratio and the noise floor over time: a point every quarter of a second. */
export class NoiseHistory {
  #points = [];

  copy() {
    const other = new NoiseHistory();
    other.#points = [...this.#points];
    return other;
  }

  get points() {
    return this.#points;
  }

  add(seconds, { snrDb, floorDb, confidence, reason }) {
    const last = this.#points.at(-1);
    if (last !== undefined && seconds - last.seconds < 1 / POINTS_PER_SECOND) return;
    this.#points.push({ seconds, snrDb, floorDb, confidence, reason });
    if (this.#points.length > STORED_SECONDS * POINTS_PER_SECOND) this.#points.shift();
  }
}
