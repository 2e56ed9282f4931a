/** A waveform with the voice activity over it, and a spectrogram; both share the time axis of an AudioView. */

import { BANDS, COLUMNS_PER_SECOND } from "../../audio/analysis/measures.js";
import { byteLevel } from "../../audio/analysis/spectrogram.js";
import { hertz, level, seconds } from "../../models/audio-text.js";
import { noteText } from "../../audio/analysis/notes.js";
import { setText } from "../dom.js";
import { Plot } from "./plot.js";

const TRACK_HEIGHT = 7;

/** Times for labels: [place, text]. */
function timeColumns({ begin, end }) {
  const span = end - begin;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((each) => span / each <= 6) ?? 10;
  const columns = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) if (at >= -1e-9) columns.push([(at - begin) / span, `${Number(at.toFixed(1))} s`]);
  return columns;
}

export class WaveformPlot extends Plot {
  /** Draw the `window` {begin, end} of a SideHistory; `activity`: ActivityHistory, or null where the track does not fit. */
  draw(now, history, activity, window, { title, why }) {
    const context = this.begin();
    if (context === null) return;
    const { innerWidth: width, innerHeight: height } = this;
    const middle = height / 2;
    this.drawRows(context, [[1, "1"], [0.75, "0.5"], [0.5, "0"], [0.25, "−0.5"], [0, "−1"]]);
    this.drawColumns(context, timeColumns(window));
    // Pixels lie on a grid of their own, so that columns do not change from frame to frame.
    const duration = (window.end - window.begin) / width;
    const first = Math.floor(window.begin / duration);
    let loudest = 0;
    let speech = 0;
    for (let x = 0; x < width; x += 1) {
      const at = (first + x) * duration;
      const here = activity?.at(at) ?? null;
      if (here?.speech) {
        speech += 1;
        context.fillStyle = this.colour("ok");
        context.globalAlpha = 0.12;
        context.fillRect(x, 0, 1, height);
      }
      const extent = history.extent(at, at + Math.max(duration, 1 / COLUMNS_PER_SECOND));
      if (extent !== null) {
        loudest = Math.max(loudest, extent.high, -extent.low);
        context.globalAlpha = 1;
        context.fillStyle = this.colour(Math.max(extent.high, -extent.low) >= 0.99 ? "bad" : "accent");
        const top = middle - Math.min(1, extent.high) * middle;
        context.fillRect(x, top, 1, Math.max(1, middle - Math.max(-1, extent.low) * middle - top));
      }
      if (here !== null) {
        context.fillStyle = this.colour("ok");
        context.globalAlpha = 0.15 + 0.85 * here.confidence;
        const tall = Math.max(1, here.confidence * TRACK_HEIGHT);
        context.fillRect(x, TRACK_HEIGHT - tall, 1, tall);
      }
    }
    context.globalAlpha = 1;
    this.drawCursor(context);
    this.write(history, activity, window, why);
    this.summarise(now, () => {
      const share = activity === null ? why : `${Math.round((100 * speech) / width)} % of it is speech.`;
      return `${title}, waveform from ${seconds(Math.max(0, window.begin))} to ${seconds(window.end)}: highest magnitude ${loudest.toFixed(2)} of 1. ${share}`;
    });
  }

  write(history, activity, window, why) {
    const { cursor } = this;
    if (cursor === null) {
      setText(this.readout, activity === null ? why : "Green: speech, with its confidence at the top");
      return;
    }
    const at = window.begin + cursor.x * (window.end - window.begin);
    const extent = history.extent(at, at + 0.002);
    const here = activity?.at(at) ?? null;
    const peak = extent === null ? null : 20 * Math.log10(Math.max(1e-8, extent.high, -extent.low));
    const track = here === null ? "" : ` · ${here.speech ? "speech" : "no speech"}, confidence ${here.confidence.toFixed(2)}`;
    setText(this.readout, `${seconds(at)} · ${level(peak, "dBFS")}${track}`);
  }
}

/** The colours of a spectrogram: [level in dBFS, token]. */
const STOPS = [[-100, "surface-1"], [-60, "accent"], [-30, "warn"], [0, "text"]];

export class SpectrogramPlot extends Plot {
  #palette = null;
  #revision = -1;
  #image = null;
  #scratch = null;

  draw(now, history, axis, window, { title }) {
    const context = this.begin();
    if (context === null) return;
    const { innerWidth: width, innerHeight: height } = this;
    const columns = Math.max(1, Math.floor(width));
    this.#prepare(context, columns);
    const pixels = new Uint32Array(this.#image.data.buffer);
    const duration = (window.end - window.begin) / columns;
    const first = Math.floor(window.begin / duration);
    for (let x = 0; x < columns; x += 1) {
      const bands = history.bands((first + x) * duration);
      for (let band = 0; band < BANDS; band += 1) pixels[(BANDS - 1 - band) * columns + x] = bands === null ? 0 : this.#palette[bands[band]];
    }
    const brush = this.#scratch.getContext("2d");
    brush.putImageData(this.#image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#scratch, 0, 0, columns, BANDS, 0, 0, width, height);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = this.colour("muted");
    for (const frequency of axis.ticks.filter((tick) => [100, 500, 1_000, 5_000, 10_000].includes(tick))) context.fillText(hertz(frequency, true), -5, Math.max(6, (1 - axis.place(frequency)) * height));
    for (const [place, text] of timeColumns(window)) {
      context.textAlign = place > 0.93 ? "right" : place < 0.07 ? "left" : "center";
      context.textBaseline = "bottom";
      context.fillText(text, place * width, this.height);
    }
    this.drawCursor(context);
    this.#write(history, axis, window);
    this.summarise(now, () => {
      const tone = history.strongest;
      const strongest = tone === null ? "nothing above −100 dBFS now" : `strongest now at ${hertz(tone.frequency)}, ${noteText(tone.frequency)}, ${level(tone.level, "dBFS")}`;
      return `${title}, spectrogram from ${seconds(Math.max(0, window.begin))} to ${seconds(window.end)}, ${hertz(axis.low)} to ${hertz(axis.high)}: ${strongest}.`;
    });
  }

  #prepare(context, columns) {
    if (this.#revision !== this.revision || this.#palette === null) {
      this.#palette = palette(STOPS.map(([at, token]) => [at, rgb(context, this.colour(token))]));
      this.#revision = this.revision;
    }
    if (this.#image?.width !== columns) {
      this.#scratch = document.createElement("canvas");
      this.#scratch.width = columns;
      this.#scratch.height = BANDS;
      this.#image = this.#scratch.getContext("2d").createImageData(columns, BANDS);
    }
  }

  #write(history, axis, window) {
    if (this.cursor === null) {
      setText(this.readout, "Blue: −60 dBFS, orange: −30 dBFS");
      return;
    }
    const at = window.begin + this.cursor.x * (window.end - window.begin);
    const place = 1 - this.cursor.y;
    const frequency = axis.frequency(place);
    const byte = history.bands(at)?.[Math.min(BANDS - 1, Math.floor(place * BANDS))];
    setText(this.readout, `${seconds(at)} · ${hertz(frequency)} · ${level(byte === undefined ? null : byteLevel(byte), "dBFS")} · ${noteText(frequency)}`);
  }
}

/** [red, green, blue] of a colour as CSS writes it. */
function rgb(context, colour) {
  context.fillStyle = colour;
  const text = context.fillStyle;
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

/** The pixel (as a Uint32Array of image data has it) of each byte. */
function palette(stops) {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    const wanted = byteLevel(byte);
    const next = Math.max(1, stops.findIndex(([at], index) => index > 0 && wanted <= at));
    const [to, above] = wanted > 0 ? stops.at(-1) : stops[next];
    const [from, below] = stops[next - 1];
    const share = Math.max(0, Math.min(1, (wanted - from) / (to - from || 1)));
    const [red, green, blue] = below.map((value, index) => Math.round(value + share * (above[index] - value)));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}
