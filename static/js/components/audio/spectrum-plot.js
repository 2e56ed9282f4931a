/** The spectra of both sides on a logarithmic frequency axis, with held peaks. */

import { LogBands } from "../../audio/analysis/frequency-axis.js";
import { noteText } from "../../audio/analysis/notes.js";
import { weightingOfBins } from "../../audio/analysis/weighting.js";
import { hertz, level } from "../../models/audio-text.js";
import { setText } from "../dom.js";
import { Plot } from "./plot.js";

const LOWEST_DB = -120;
const ROWS = [0, -20, -40, -60, -80, -100, -120];
const SIDES = [
  { side: "before", token: "muted", label: "before" },
  { side: "after", token: "accent", label: "after" },
];

export class SpectrumPlot extends Plot {
  #bands = new Map();
  #weights = new Map();

  /** `sides`: {before, after} SideHistory; `weighting`: a name of WEIGHTINGS. */
  draw(now, sides, axis, { weighting, size }) {
    const context = this.begin();
    if (context === null) return;
    this.drawRows(context, ROWS.map((row) => [1 - row / LOWEST_DB, String(row).replace("-", "−")]));
    this.drawColumns(context, axis.ticks.map((tick) => [axis.place(tick), hertz(tick, true)]));
    for (const { side, token } of SIDES) {
      const history = sides[side];
      if (history.levels === null) continue;
      this.#curve(context, history.peaks, history.values.sampleRate, axis, { weighting, size, token, isPeak: true });
      this.#curve(context, history.levels, history.values.sampleRate, axis, { weighting, size, token, isPeak: false });
    }
    this.drawCursor(context);
    if (this.isReadoutDue(now)) this.#write(sides, axis, weighting);
    this.summarise(now, () => SIDES.map(({ side, label }) => `${label}: ${strongestText(sides[side].strongest)}`).join(". ").replace(/^./, (first) => first.toUpperCase()).concat("."));
  }

  /** The levels of a side in dB, weighted, or null. */
  weighted(levels, sampleRate, weighting) {
    if (weighting === "Z") return levels;
    const key = `${weighting} ${levels.length} ${sampleRate}`;
    if (!this.#weights.has(key)) this.#weights.set(key, weightingOfBins(weighting, levels.length, sampleRate / (2 * (levels.length - 1)), sampleRate));
    const weights = this.#weights.get(key);
    return levels.map((value, bin) => value + weights[bin]);
  }

  #curve(context, levels, sampleRate, axis, { weighting, token, isPeak }) {
    const count = Math.max(2, Math.floor(this.innerWidth));
    const key = `${count} ${levels.length} ${sampleRate} ${axis.high}`;
    if (!this.#bands.has(key)) {
      if (this.#bands.size > 8) this.#bands.clear();
      this.#bands.set(key, new LogBands(axis, count, levels.length, sampleRate / (2 * (levels.length - 1))));
    }
    const bands = this.#bands.get(key).collect(this.weighted(levels, sampleRate, weighting));
    context.beginPath();
    for (let x = 0; x < count && bands[x] > -160; x += 1) {
      const y = Math.min(1, Math.max(0, bands[x] / LOWEST_DB)) * this.innerHeight;
      if (x === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    context.strokeStyle = this.colour(token);
    context.globalAlpha = isPeak ? 0.45 : 1;
    context.setLineDash(isPeak ? [3, 3] : []);
    context.lineWidth = isPeak ? 1 : 1.5;
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  #write(sides, axis, weighting) {
    if (this.cursor === null) {
      setText(this.readout, `Strongest before: ${strongestText(sides.before.strongest)}; after: ${strongestText(sides.after.strongest)}`);
      return;
    }
    const frequency = axis.frequency(this.cursor.x);
    const values = SIDES.map(({ side, label }) => `${label} ${level(this.#levelAt(sides[side], frequency, weighting), "dBFS")}`);
    setText(this.readout, `${hertz(frequency)} · ${noteText(frequency)} · ${values.join(" · ")}`);
  }

  #levelAt({ levels, values }, frequency, weighting) {
    if (levels === null) return null;
    const bin = Math.round((frequency / values.sampleRate) * 2 * (levels.length - 1));
    return bin < levels.length ? this.weighted(levels, values.sampleRate, weighting)[bin] : null;
  }
}

const strongestText = (tone) => (tone === null ? "nothing above −100 dBFS" : `${hertz(tone.frequency)} (${noteText(tone.frequency)}) at ${level(tone.level, "dBFS")}`);
