/** The plots and meters of both sides, drawn once a frame from what was measured. */

import { FrequencyAxis, LOWEST_HZ } from "../../audio/analysis/frequency-axis.js";
import { FrameLoop } from "../../components/audio/frame-loop.js";
import { Meters } from "../../components/audio/meters.js";
import { NoisePlot } from "../../components/audio/noise-plot.js";
import { SpectrumPlot } from "../../components/audio/spectrum-plot.js";
import { SpectrogramPlot, WaveformPlot } from "../../components/audio/time-plots.js";
import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { STAGE_TITLES } from "../../models/audio-diagnosis-text.js";
import { ActivityHistory, NoiseHistory, SideHistory } from "../../models/audio-history.js";
import { NoiseTable, SpectrumTable } from "./tables.js";

const SIDES = ["before", "after"];
const SHORTENED = ["silence", "resample", "final"];
/** Before anything was measured the axes are those of 48 kHz. */
const DEFAULT_RATE = 48_000;
const TITLES = { before: "Before", after: "After" };

export class Display {
  #scope = new Scope();
  #controls;
  #settings;
  #plots;
  #meters;
  #spectrum = new SpectrumPlot(byId("spectrum"));
  #noise = new NoisePlot(byId("noise"));
  #tables;
  #loop = new FrameLoop((now) => this.#draw(now));
  #sides;
  #activity;
  #noiseHistory;
  #axis;
  #rate;
  #seconds = 0;
  #described = "";
  /** Clipped samples as they are shown. */
  #clippedAt = {};
  /** What the stages did, as of the last frame that had it. */
  latestStages = null;
  /** What was measured until the view was frozen; null while it follows. */
  #held = null;

  /** `controls`: AnalysisControls; `settings()` returns those of the pipeline. */
  constructor(controls, settings) {
    this.#controls = controls;
    this.#settings = settings;
    this.#plots = Object.fromEntries(SIDES.map((side) => [side, { waveform: new WaveformPlot(byId(`waveform-${side}`)), spectrogram: new SpectrogramPlot(byId(`spectrogram-${side}`)) }]));
    this.#meters = Object.fromEntries(SIDES.map((side) => [side, new Meters(byId(`meters-${side}`), TITLES[side])]));
    this.#tables = [new SpectrumTable(byId("spectrum"), this.#spectrum), new NoiseTable(byId("noise"))];
    controls.now = () => this.#seconds;
    this.reset();
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    for (const plot of this.#allPlots) scope.start(plot);
    for (const table of this.#tables) scope.start(table);
    for (const plot of this.#timePlots) plot.onCursor = (cursor, byKeyboard) => this.#share(plot, cursor, byKeyboard);
    for (const plot of [this.#spectrum]) plot.onCursor = (_cursor, byKeyboard) => byKeyboard && this.#announce(plot);
    scope.start(this.#loop);
  }

  stop() {
    this.#scope.close();
  }

  /** Forget everything, for a new measurement. */
  reset() {
    this.#sides = { before: new SideHistory(), after: new SideHistory() };
    this.#activity = new ActivityHistory();
    this.#noiseHistory = new NoiseHistory();
    this.#seconds = 0;
    this.#held = null;
    this.latestStages = null;
    this.#setRate(DEFAULT_RATE);
  }

  /** Add a frame of a DiagnosticSession. */
  add({ seconds, sides, activity, stages, sampleRate }) {
    this.#seconds = seconds;
    if (sampleRate !== this.#rate) this.#setRate(sampleRate);
    for (const side of SIDES) {
      // Another tap has a time of its own.
      if (sides[side].begun !== this.#sides[side].begun) this.#sides[side] = new SideHistory(sides[side].begun);
      this.#sides[side].add(sides[side]);
    }
    this.#activity.add(activity, seconds);
    if (sides.before.values !== undefined) this.#noiseHistory.add(seconds, sides.before.values);
    if (stages !== null) this.latestStages = stages;
  }

  #setRate(rate) {
    this.#rate = rate;
    this.#axis = new FrequencyAxis(LOWEST_HZ, rate / 2);
    this.#described = "";
  }

  get #timePlots() {
    return [...SIDES.flatMap((side) => [this.#plots[side].waveform, this.#plots[side].spectrogram]), this.#noise];
  }

  get #allPlots() {
    return [...this.#timePlots, this.#spectrum];
  }

  /** All plots over time have the cursor at the same time. */
  #share(source, cursor, byKeyboard) {
    for (const plot of this.#timePlots) if (plot !== source) plot.cursor = cursor === null ? null : { x: cursor.x, y: plot.cursor?.y ?? cursor.y };
    if (byKeyboard) this.#announce(source);
  }

  /** Announce the read-out once it has been drawn. */
  #announce(plot) {
    this.#draw(performance.now());
    setText(plot.announcement, plot.cursor === null ? "" : plot.readout.textContent);
  }

  #draw(now) {
    const { view, weighting, spectrum, taps } = this.#controls;
    const window = view.window(this.#seconds);
    const settings = this.#settings();
    const { sides, activity, noise } = this.#shown(view.isFrozen);
    for (const side of SIDES) {
      const why = this.#trackAbsence(taps[side], settings);
      const title = `${TITLES[side]}, at ${STAGE_TITLES[taps[side]]}`;
      this.#plots[side].waveform.draw(now, sides[side], why === "" ? activity : null, window, { title, why });
      this.#plots[side].spectrogram.draw(now, sides[side], this.#axis, window, { title });
      this.#meters[side].draw(now, sides[side].values);
      if (this.#clippedAt[side] !== sides[side].values?.clipped) this.#showClipped(side, sides[side].values);
    }
    this.#spectrum.draw(now, sides, this.#axis, { weighting, size: spectrum.size });
    this.#noise.draw(now, noise.points, window);
    this.#describe(spectrum);
    for (const table of this.#tables) table.draw(now, { sides, axis: this.#axis, weighting, points: noise.points });
  }

  /** What is drawn: the present, or a copy from when the view was frozen, which later sound does not overwrite. */
  #shown(isFrozen) {
    const present = { sides: this.#sides, activity: this.#activity, noise: this.#noiseHistory };
    if (!isFrozen) {
      this.#held = null;
      return present;
    }
    this.#held ??= { sides: { before: this.#sides.before.copy(), after: this.#sides.after.copy() }, activity: this.#activity.copy(), noise: this.#noiseHistory.copy() };
    return this.#held;
  }

  #showClipped(side, values) {
    this.#clippedAt[side] = values?.clipped;
    setText(byId(`clipped-${side}`), clippedText(values));
  }

  #describe(spectrum) {
    const key = `${spectrum.size} ${spectrum.window} ${this.#rate}`;
    if (key === this.#described) return;
    this.#described = key;
    this.#controls.describe(this.#rate);
  }

  #trackAbsence(tap, settings) {
    if (settings === null) return "";
    const { enabledStages, pausedAt } = settings;
    const isPausedBefore = (stage) => pausedAt !== null && Object.keys(STAGE_TITLES).indexOf(stage) > Object.keys(STAGE_TITLES).indexOf(pausedAt);
    if (!enabledStages.includes("vad") || isPausedBefore("vad")) return "No voice activity: its stage is off.";
    if (SHORTENED.includes(tap) && enabledStages.includes("silence") && !isPausedBefore("silence")) return "No voice activity here: the stage Silence has shortened the time.";
    return "";
  }
}

const clippedText = (values) => (values === null ? "–" : `${values.clipped.toLocaleString("en")} clipped`);
