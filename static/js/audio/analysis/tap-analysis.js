/**
 * Everything that is measured of the sound at one tap of the pipeline, block by block.
 *
 * The mutable state: the meters below, and the last samples for the spectrum.
 */

import { LoudnessMeter } from "../kernels/loudness.js";
import { LevelMeter, decibels } from "./levels.js";
import { BANDS, COLUMNS_PER_SECOND, SPECTROGRAM_PER_SECOND } from "./measures.js";
import { NoiseTrack } from "./noise-track.js";
import { PeakHold, SpectrumAnalyser, strongest } from "./spectrum.js";
import { Spectrogram } from "./spectrogram.js";
import { WaveformColumns } from "./waveform.js";

const SPECTROGRAM_SECONDS = 0.043;
const LONGEST = 16_384;

/** The power of two next to `count`. */
const powerOfTwo = (count) => 2 ** Math.round(Math.log2(count));

export class TapAnalysis {
  #analyser;
  #levels;
  #hold;
  #sinceSpectrum = 0;
  #history = new Float32Array(LONGEST);
  #waveform;
  #spectrogram;
  #loudness;
  #noise;

  /** `axis`: the FrequencyAxis of the spectrogram; `spectrum`: {size, window}. */
  constructor(sampleRate, { axis, spectrum }) {
    this.sampleRate = sampleRate;
    this.meter = new LevelMeter(sampleRate);
    this.#waveform = new WaveformColumns(Math.round(sampleRate / COLUMNS_PER_SECOND), 4_096);
    this.#spectrogram = new Spectrogram({
      size: powerOfTwo(sampleRate * SPECTROGRAM_SECONDS),
      window: "hann",
      sampleRate,
      axis,
      bands: BANDS,
      hop: Math.round(sampleRate / SPECTROGRAM_PER_SECOND),
    });
    this.#loudness = new LoudnessMeter(sampleRate);
    this.#noise = new NoiseTrack(sampleRate);
    this.setSpectrum(spectrum);
  }

  /** Seconds of sound so far. */
  get seconds() {
    return this.meter.samples / this.sampleRate;
  }

  /** Use another length or window; held peaks are forgotten. */
  setSpectrum({ size, window }) {
    this.#analyser = new SpectrumAnalyser(size, window, this.sampleRate);
    this.#levels = new Float32Array(this.#analyser.bins);
    this.#hold = new PeakHold(this.#analyser.bins);
  }

  resetPeaks() {
    this.#hold.reset();
  }

  /** Take in samples. Returns what they completed: {low, high: columns of the waveform, columns of the spectrogram}. */
  add(block) {
    this.meter.add(block);
    this.#loudness.add([block]);
    this.#noise.add(block);
    const fresh = block.length >= LONGEST ? block.subarray(block.length - LONGEST) : block;
    this.#history.copyWithin(0, fresh.length);
    this.#history.set(fresh, LONGEST - fresh.length);
    this.#sinceSpectrum += block.length;
    const before = this.#waveform.length;
    const count = this.#waveform.add(block);
    const low = new Float32Array(count);
    const high = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      const column = this.#waveform.range(before + index, before + index + 1);
      low[index] = column?.low ?? 0;
      high[index] = column?.high ?? 0;
    }
    return { low, high, columns: this.#spectrogram.add(block) };
  }

  /** Take in the voice activity of the next `count` samples: {confidence, speech}, or null where none is known. */
  addActivity(activity, count) {
    this.#noise.addActivity(activity, count);
  }

  /** No sound and no activity will follow. */
  finish() {
    this.#noise.finish();
  }

  /** The present spectrum and the held peaks: {levels, peaks}, copies, in dBFS. */
  spectrum() {
    const levels = this.#analyser.levels(this.#history.subarray(LONGEST - this.#analyser.size), this.#levels);
    const peaks = this.#hold.add(levels, this.#sinceSpectrum / this.sampleRate);
    this.#sinceSpectrum = 0;
    return { levels: levels.slice(), peaks: peaks.slice() };
  }

  /** The strongest tone of the last spectrum: {frequency, level}, or null. */
  get strongest() {
    return strongest(this.#levels, this.#analyser.binWidth, { least: -100 });
  }

  /** The same with the noise of the whole sound instead of that of the last seconds. */
  get summary() {
    return { ...this.values, ...this.#noise.whole };
  }

  /** Everything that has a number now. Levels in dBFS, LUFS or dB; null where there is none. */
  get values() {
    const loudness = this.#loudness.result();
    const { meter } = this;
    return {
      seconds: this.seconds,
      sampleRate: this.sampleRate,
      rmsDb: meter.rmsDb,
      totalRmsDb: meter.totalRmsDb,
      peakDb: decibels(meter.peak),
      crestFactorDb: meter.crestFactorDb,
      truePeakDb: decibels(loudness.truePeak),
      momentary: loudness.momentary,
      shortTerm: loudness.shortTerm,
      integrated: loudness.integrated,
      range: loudness.range,
      clipped: meter.clipped,
      ...this.#noise.recent,
    };
  }
}
