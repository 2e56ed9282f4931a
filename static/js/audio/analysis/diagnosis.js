/**
 * A running pipeline that is measured at two taps, block by block.
 *
 * Each tap has its own time, from its first sample on. The voice activity is in the time of the input; where `silence`
 * shortens the sound, taps from there on have another time and no activity.
 */

import { STAGE_IDS, isOn } from "../kernels/stages.js";
import { ActivityColumns, SpeechSegments } from "./activity-columns.js";
import { FrequencyAxis, LOWEST_HZ } from "./frequency-axis.js";
import { COLUMNS_PER_SECOND } from "./measures.js";
import { FRAME_SECONDS } from "./snr-track.js";
import { TapAnalysis } from "./tap-analysis.js";

/** The sides that are compared. */
export const SIDES = ["before", "after"];
/** Spectra a second: as many as a screen shows. */
const SPECTRA_PER_SECOND = 60;

const isAfter = (tap, stage) => STAGE_IDS.indexOf(tap) >= STAGE_IDS.indexOf(stage);

/** Whether the sound at a tap has another time than the input, because `silence` is on. */
export const isShortened = (tap, settings) => isAfter(tap, "silence") && isOn(settings, "silence");

export class Diagnosis {
  #pipeline;
  #settings;
  #taps;
  #spectrum;
  #sides = {};
  #axis;
  #columns;
  #frames;
  #segments = new SpeechSegments(1 / COLUMNS_PER_SECOND);
  #samples = 0;
  #sinceSpectrum = 0;
  /** Samples that each tap has returned so far. */
  #positions = Object.fromEntries(STAGE_IDS.map((stage) => [stage, 0]));
  /** Frames of activity so far. */
  #known = 0;

  /**
   * `makePipeline(settings, sampleRate)` returns a PipelineKernel; `taps`: {before, after}: stages; `spectrum`: {size,
   * window}.
   */
  constructor({ makePipeline, settings, sampleRate, taps, spectrum }) {
    this.sampleRate = sampleRate;
    this.#settings = settings;
    this.#pipeline = makePipeline(settings, sampleRate);
    this.#axis = new FrequencyAxis(LOWEST_HZ, sampleRate / 2);
    this.#taps = taps;
    this.#spectrum = spectrum;
    this.#columns = new ActivityColumns(Math.round(sampleRate / COLUMNS_PER_SECOND));
    this.#frames = new ActivityColumns(Math.round(sampleRate * FRAME_SECONDS));
    for (const side of SIDES) this.#open(side);
  }

  get settings() {
    return this.#settings;
  }

  /** The sample rate at a tap. */
  rateOf(tap) {
    return isAfter(tap, "resample") ? this.#pipeline.outputRate : this.sampleRate;
  }

  rateOfSide(side) {
    return this.rateOf(this.#taps[side]);
  }

  /** Continue with other settings, without a click. */
  change(settings) {
    this.#settings = settings;
    this.#pipeline.change(settings);
  }

  /** Measure at another tap; what was measured on that side starts again. */
  setTap(side, tap) {
    this.#taps = { ...this.#taps, [side]: tap };
    this.#open(side);
  }

  setSpectrum(spectrum) {
    this.#spectrum = spectrum;
    for (const side of SIDES) this.#sides[side].analysis.setSpectrum(spectrum);
  }

  resetPeaks() {
    for (const side of SIDES) this.#sides[side].analysis.resetPeaks();
  }

  /**
   * Process and measure a block of input. Returns a frame: {seconds, sampleRate, sides: {before, after}: {begun, low, high, columns},
   * with a spectrum also {levels, peaks, strongest, values}; activity: {confidence, speech} in columns, or null; stages;
   * sound: the samples of each side, valid until the next call}.
   */
  process(block) {
    this.#samples += block.length;
    return this.#measure(this.#pipeline.process(block), block.length);
  }

  /** The end of the input: what is still inside. */
  flush() {
    return this.#measure(this.#pipeline.flush(), 0, { isLast: true });
  }

  /** Begin to measure a side, at what its tap returns next. */
  #open(side) {
    const tap = this.#taps[side];
    const rate = this.rateOf(tap);
    const begun = this.#positions[tap] / rate;
    const analysis = new TapAnalysis(rate, { axis: this.#axis, spectrum: this.#spectrum });
    // An early tap is ahead of the activity: what is known next belongs to sound before this one.
    const skip = Math.max(0, Math.round(begun / FRAME_SECONDS) - this.#known);
    this.#sides[side] = { analysis, begun, skip };
  }

  #measure({ activity, left }, count, { isLast = false } = {}) {
    const sides = {};
    for (const side of SIDES) sides[side] = { begun: this.#sides[side].begun, ...this.#sides[side].analysis.add(left[this.#taps[side]]) };
    for (const stage of STAGE_IDS) this.#positions[stage] += left[stage].length;
    const track = this.#addActivity(activity, left.voiceProcess.length);
    this.#sinceSpectrum += count;
    const isDue = isLast || this.#sinceSpectrum >= this.sampleRate / SPECTRA_PER_SECOND;
    if (isDue) {
      this.#sinceSpectrum = 0;
      for (const side of SIDES) {
        const { analysis } = this.#sides[side];
        Object.assign(sides[side], analysis.spectrum(), { strongest: analysis.strongest, values: analysis.values });
      }
    }
    return {
      seconds: this.#samples / this.sampleRate,
      sampleRate: this.sampleRate,
      sides,
      activity: track,
      stages: isDue ? this.#stages : null,
      sound: Object.fromEntries(SIDES.map((side) => [side, left[this.#taps[side]]])),
    };
  }

  /** For each stage that has parameters: whether it is on, seconds of work since the start, gain change in dB. */
  get #stages() {
    const { timings } = this.#pipeline;
    return Object.entries(timings).map(([id, seconds]) => ({ id, isOn: isOn(this.#settings, id), seconds, reduction: this.#pipeline.reduction(id) }));
  }

  /** Pass the activity on to the sides. Returns its columns for the waveform; null where the VAD stage is off. */
  #addActivity(activity, count) {
    const known = activity ?? { confidence: new Float32Array(count), speech: new Uint8Array(count) };
    const { confidence, speech } = this.#frames.add(known);
    this.#known += confidence.length;
    for (const side of SIDES) {
      const state = this.#sides[side];
      const isKnown = activity !== null && !isShortened(this.#taps[side], this.#settings);
      const frames = confidence.slice(state.skip).map((value, index) => (isKnown ? { confidence: value, speech: speech[state.skip + index] !== 0 } : null));
      state.skip = Math.max(0, state.skip - confidence.length);
      state.analysis.addActivity(frames);
    }
    const columns = this.#columns.add(known);
    this.#segments.add(columns.speech);
    return activity === null ? null : columns;
  }

  /** Everything that was measured, for a report. */
  get summary() {
    const sides = Object.fromEntries(SIDES.map((side) => [side, { tap: this.#taps[side], ...this.#sides[side].analysis.values, strongest: this.#sides[side].analysis.strongest }]));
    return { seconds: this.#samples / this.sampleRate, sampleRate: this.sampleRate, sides, stages: this.#stages, speechSegments: this.#segments.list };
  }
}
