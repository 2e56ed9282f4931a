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

/**
 * The picture in words: "3.2 s, loudest at 1.1 s with −3 dB, sound in 78 % of it." `channels`: Float32Arrays of equal
 * length; with several of them their count, and in which one it is loudest, are added.
 */
export function waveformWords(channels, rate) {
  const count = channels[0].length;
  if (count === 0) return "It has no samples.";
  const step = Math.max(1, Math.round(rate / 10));
  let loudest = { size: 0, at: 0, channel: 0 };
  let sounding = 0;
  let parts = 0;
  for (let from = 0; from < count; from += step) {
    let most = 0;
    for (const [channel, samples] of channels.entries()) {
      for (let at = from; at < Math.min(from + step, count); at += 1) {
        const size = Math.abs(samples[at]);
        if (size > most) most = size;
        if (size > loudest.size) loudest = { size, at, channel };
      }
    }
    parts += 1;
    if (decibels(most) > SOUND_DB) sounding += 1;
  }
  const level = decibels(loudest.size);
  const length = `${channels.length === 1 ? "" : `${channels.length} channels, `}${figure(Math.round((10 * count) / rate) / 10)} s`;
  if (level <= FLOOR_DB) return `${length} of silence.`;
  const place = channels.length === 1 ? "" : ` in channel ${loudest.channel + 1}`;
  return `${length}, loudest at ${figure(Math.round((10 * loudest.at) / rate) / 10)} s with ${figure(Math.round(level))} dB${place}, sound in ${Math.round((100 * sounding) / parts)} % of it.`;
}
