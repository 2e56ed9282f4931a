/** A recording as a picture and in words. Pure. */

import { decibels, FLOOR_DB } from "./levels.js";
import { figure } from "./audio-curves.js";

/** A tenth of a second over this level (dBFS) is counted as sound. */
const SOUND_DB = -50;

/** The lowest and highest sample of each of `columns` equal parts: [minima, maxima], Float32Arrays. */
export function peaks(samples, columns) {
  const low = new Float32Array(columns);
  const high = new Float32Array(columns);
  for (let column = 0; column < columns; column += 1) {
    const from = Math.floor((column * samples.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / columns));
    let lowest = Infinity;
    let highest = -Infinity;
    for (let index = from; index < Math.min(to, samples.length); index += 1) {
      if (samples[index] < lowest) lowest = samples[index];
      if (samples[index] > highest) highest = samples[index];
    }
    low[column] = lowest === Infinity ? 0 : lowest;
    high[column] = highest === -Infinity ? 0 : highest;
  }
  return [low, high];
}

/** The picture in words: "3.2 s, loudest at 1.1 s with −3 dB, sound in 78 % of it." */
export function waveformWords(samples, rate) {
  if (samples.length === 0) return "It has no samples.";
  let at = 0;
  const step = Math.round(rate / 10);
  let sounding = 0;
  let parts = 0;
  for (let from = 0; from < samples.length; from += step) {
    let loudest = 0;
    for (let index = from; index < Math.min(from + step, samples.length); index += 1) {
      const size = Math.abs(samples[index]);
      if (size > loudest) loudest = size;
      if (size > Math.abs(samples[at])) at = index;
    }
    parts += 1;
    if (decibels(loudest) > SOUND_DB) sounding += 1;
  }
  const level = decibels(Math.abs(samples[at]));
  const length = `${figure(Math.round((10 * samples.length) / rate) / 10)} s`;
  if (level <= FLOOR_DB) return `${length} of silence.`;
  return `${length}, loudest at ${figure(Math.round((10 * at) / rate) / 10)} s with ${figure(Math.round(level))} dB, sound in ${Math.round((100 * sounding) / parts)} % of it.`;
}
