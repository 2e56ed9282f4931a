/** Writes RIFF WAVE files: 16-bit integers or 32-bit floats. Pure. */

import { toInt16 } from "./kernels/capture.js";

const INTEGERS = 1;
const FLOATS = 3;

/**
 * The file as an ArrayBuffer. `channels`: Float32Arrays of equal length, full scale 1; `isFloat`: 32-bit floats,
 * unchanged. Integers are rounded and clipped; NaN is 0.
 */
export function wavFile(channels, sampleRate, { isFloat = false } = {}) {
  const bytes = isFloat ? 4 : 2;
  const frame = channels.length * bytes;
  const count = channels[0].length;
  const data = count * frame;
  // A format that is no plain PCM has the size of its extension (0) and a fact chunk with the count of samples.
  const header = isFloat ? 58 : 44;
  // Chunks have an even length.
  const file = new DataView(new ArrayBuffer(header + data + (data % 2)));
  let at = 0;
  const text = (word) => [...word].forEach((letter) => file.setUint8(at++, letter.charCodeAt(0)));
  const u32 = (value) => (file.setUint32(at, value, true), (at += 4));
  const u16 = (value) => (file.setUint16(at, value, true), (at += 2));
  text("RIFF");
  u32(file.byteLength - 8);
  text("WAVEfmt ");
  u32(isFloat ? 18 : 16);
  u16(isFloat ? FLOATS : INTEGERS);
  u16(channels.length);
  u32(sampleRate);
  u32(sampleRate * frame);
  u16(frame);
  u16(8 * bytes);
  if (isFloat) {
    u16(0);
    text("fact");
    u32(4);
    u32(count);
  }
  text("data");
  u32(data);
  const samples = isFloat ? channels : channels.map(toInt16);
  samples.forEach((channel, index) => {
    for (let number = 0; number < count; number += 1) {
      const place = header + number * frame + index * bytes;
      if (isFloat) file.setFloat32(place, channel[number], true);
      else file.setInt16(place, channel[number], true);
    }
  });
  return file.buffer;
}
