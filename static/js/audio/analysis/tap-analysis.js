/**
 * Everything that is measured of the sound at one tap of the pipeline, block by block.
 *
 * The mutable state: the meters below, the last samples for the spectrum, and the powers of frames that wait for
 * their voice activity, which is known later than the sound at an early tap.
 */

import { LoudnessMeter } from "../kernels/loudness.js";
import { LevelMeter, decibels } from "./levels.js";
import { BANDS, COLUMNS_PER_SECOND, SPECTROGRAM_PER_SECOND } from "./measures.js";
import { FramePowers, SnrTrack } from "./snr-track.js";
import { PeakHold, SpectrumAnalyser, strongest } from "./spectrum.js";
import { Spectrogram } from "./spectrogram.js";
import { WaveformColumns } from "./waveform.js";

const SPECTROGRAM_SECONDS = 0.043;
const LONGEST = 16_384;
/** Frames without activity wait this long (in frames of 20 ms): more than any pipeline is late. */
const WAITING = 250;

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
  #powers;
  #waiting = [];
  #snr = new SnrTrack();

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
    this.#powers = new FramePowers(sampleRate);
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
    this.#waiting.push(...this.#powers.add(block));
    if (this.#waiting.length > WAITING) this.#waiting.splice(0, this.#waiting.length - WAITING);
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

  /** Take in the voice activity of the next frames: [{confidence, speech}], null for one without. */
  addActivity(frames) {
    for (const frame of frames) {
      if (this.#waiting.length === 0) return;
      this.#snr.add(this.#waiting.shift(), frame?.confidence ?? null, frame?.speech ?? false);
    }
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
      ...this.#snr.value,
    };
  }
}
