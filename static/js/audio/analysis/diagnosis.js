/**
 * A running pipeline that is measured at two taps, block by block.
 *
 * Each tap has its own time, from its first sample on. The voice activity is in the time of the input; from `silence`
 * on sound may have another time, and its activity is detected there again, for the estimate of its noise.
 */

import { noActivity } from "../kernels/delay.js";
import { PhaseCorrelation } from "../kernels/phase-correlation.js";
import { STAGE_IDS, isOn } from "../kernels/stages.js";
import { ActivityColumns, SpeechSegments } from "./activity-columns.js";
import { FrequencyAxis, LOWEST_HZ } from "./frequency-axis.js";
import { COLUMNS_PER_SECOND } from "./measures.js";
import { TapActivity } from "./tap-activity.js";
import { TapAnalysis } from "./tap-analysis.js";

/** The sides that are compared. */
export const SIDES = ["before", "after"];
/** Spectra a second: as many as a screen shows. */
const SPECTRA_PER_SECOND = 60;

const isAfter = (tap, stage) => STAGE_IDS.indexOf(tap) >= STAGE_IDS.indexOf(stage);

export class Diagnosis {
  #pipeline;
  #settings;
  #taps;
  #spectrum;
  #sides = {};
  #axis;
  #columns;
  #phase;
  #segments = new SpeechSegments(1 / COLUMNS_PER_SECOND);
  #samples = 0;
  #sinceSpectrum = 0;
  /** Samples that each tap has returned so far. */
  #positions = Object.fromEntries(STAGE_IDS.map((stage) => [stage, 0]));
  /** Samples whose activity is known so far. */
  #known = 0;

  /**
   * `makePipeline(settings, sampleRate)` returns a PipelineKernel; `taps`: {before, after}: stages; `spectrum`: {size,
   * window}; `mixed`: how many channels the only one of the input is the mixture of, or null.
   */
  constructor({ makePipeline, settings, sampleRate, taps, spectrum, mixed = null }) {
    this.sampleRate = sampleRate;
    this.#settings = settings;
    this.#pipeline = makePipeline(settings, sampleRate);
    this.#axis = new FrequencyAxis(LOWEST_HZ, sampleRate / 2);
    this.#taps = taps;
    this.#spectrum = spectrum;
    this.#columns = new ActivityColumns(Math.round(sampleRate / COLUMNS_PER_SECOND));
    this.#phase = new PhaseCorrelation(sampleRate, mixed);
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
    for (const side of SIDES) this.#sides[side].detector?.change(settings.parameters.vad);
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
   * Process and measure a block of input; `channels`: those of which it is the mean. Returns a frame: {seconds,
   * sampleRate, sides: {before, after}: {begun, low, high, columns}, with a spectrum also {levels, peaks, strongest,
   * values}; activity: {confidence, speech} in columns, or null; stages; phase: of the channels; sound: the samples of
   * each side, valid until the next call}.
   */
  process(block, channels = [block]) {
    this.#phase.add(channels);
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
    const detector = isAfter(tap, "silence") ? new TapActivity(this.#settings.parameters.vad, rate) : null;
    // An early tap is ahead of the activity: what is known next belongs to sound before this one.
    const skip = detector === null ? this.#positions[tap] - this.#known : 0;
    this.#sides[side] = { analysis, begun, skip, detector };
  }

  #measure({ activity, left }, count, { isLast = false } = {}) {
    const sides = {};
    for (const side of SIDES) sides[side] = { begun: this.#sides[side].begun, ...this.#sides[side].analysis.add(left[this.#taps[side]]) };
    for (const stage of STAGE_IDS) this.#positions[stage] += left[stage].length;
    const track = this.#addActivity(activity, left, isLast);
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
      phase: isDue ? this.#phase.value : null,
      sound: Object.fromEntries(SIDES.map((side) => [side, left[this.#taps[side]]])),
    };
  }

  /** For each stage that has parameters: whether it is on, seconds of work since the start, gain change in dB. */
  get #stages() {
    const { timings } = this.#pipeline;
    return Object.entries(timings).map(([id, seconds]) => ({ id, isOn: isOn(this.#settings, id), seconds, reduction: this.#pipeline.reduction(id) }));
  }

  /** Pass the activity on to the sides. Returns its columns for the waveform; null where the VAD stage is off. */
  #addActivity(activity, left, isLast) {
    const count = left.voiceProcess.length;
    const isKnown = isOn(this.#settings, "vad");
    for (const side of SIDES) {
      const { analysis, detector, skip } = this.#sides[side];
      const tap = left[this.#taps[side]];
      if (detector !== null) {
        const found = detector.detect(tap, isLast);
        analysis.addActivity(isKnown ? found : null, found.speech.length);
      } else {
        const passed = Math.min(skip, count);
        this.#sides[side].skip -= passed;
        analysis.addActivity(activity && { confidence: activity.confidence.slice(passed), speech: activity.speech.slice(passed) }, count - passed);
      }
      if (isLast) analysis.finish();
    }
    this.#known += count;
    const columns = this.#columns.add(activity ?? noActivity(count));
    this.#segments.add(columns.speech);
    return activity === null ? null : columns;
  }

  /** Everything that was measured, for a report. */
  get summary() {
    const sides = Object.fromEntries(SIDES.map((side) => [side, { tap: this.#taps[side], ...this.#sides[side].analysis.summary, strongest: this.#sides[side].analysis.strongest }]));
    return { seconds: this.#samples / this.sampleRate, sampleRate: this.sampleRate, sides, stages: this.#stages, speechSegments: this.#segments.list, phase: this.#phase.value };
  }
}
