/** The signal-to-noise ratio and the noise floor over time; the fainter a line, the less certain it is. */

import { level, seconds } from "../../models/audio-text.js";
import { setText } from "../dom.js";
import { Plot } from "./plot.js";

const LOW = -100;
const HIGH = 40;
const ROWS = [40, 20, 0, -20, -40, -60, -80, -100];
/** Points further apart than this (s) are not joined. */
const GAP = 0.6;
const LINES = [
  { name: "snrDb", token: "accent" },
  { name: "floorDb", token: "warn" },
];

const place = (value) => (value - LOW) / (HIGH - LOW);

export class NoisePlot extends Plot {
  /** `points` of a NoiseHistory. */
  draw(now, points, window) {
    const context = this.begin();
    if (context === null) return;
    this.drawRows(context, ROWS.map((row) => [place(row), String(row).replace("-", "−")]));
    const { innerWidth: width, innerHeight: height } = this;
    const x = ({ seconds: at }) => ((at - window.begin) / (window.end - window.begin)) * width;
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    for (const { name, token } of LINES) {
      context.strokeStyle = this.colour(token);
      context.lineWidth = 2;
      points.forEach((point, index) => {
        const before = points[index - 1];
        if (before === undefined || before[name] === null || point[name] === null || point.seconds - before.seconds > GAP) return;
        context.globalAlpha = 0.25 + 0.75 * Math.min(before.confidence, point.confidence);
        context.beginPath();
        context.moveTo(x(before), (1 - place(before[name])) * height);
        context.lineTo(x(point), (1 - place(point[name])) * height);
        context.stroke();
      });
    }
    context.restore();
    this.drawCursor(context);
    this.#write(points, window);
    this.summarise(now, () => `Now: ${noiseText(points.at(-1))}.`);
  }

  #write(points, window) {
    if (this.cursor === null) {
      setText(this.readout, noiseText(points.at(-1)));
      return;
    }
    const at = window.begin + this.cursor.x * (window.end - window.begin);
    const nearest = points.reduce((best, point) => (best === null || Math.abs(point.seconds - at) < Math.abs(best.seconds - at) ? point : best), null);
    setText(this.readout, nearest === null ? "–" : `${seconds(nearest.seconds)} · ${noiseText(nearest)}`);
  }
}

/** What is known about the noise, in words. */
export function noiseText(point) {
  if (point === undefined) return "nothing measured yet";
  const { snrDb, floorDb, confidence, reason } = point;
  const floor = floorDb === null ? "noise floor not known" : `noise floor ${level(floorDb, "dBFS")}`;
  const ratio = snrDb === null ? `no SNR: ${reason}` : `SNR ${level(snrDb, "dB")}`;
  return `${ratio}; ${floor}; confidence ${confidence.toFixed(2)}`;
}
