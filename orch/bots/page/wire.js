// The format of what the page and the service send each other; orch/bots/media/frames.py describes it.

export const RATE = 16_000;
const HEADER = 24;
const SOUND = 1;
const SILENCE = 2;
const PICTURE = 1;
const SPEECH = 2;

/** Bytes that a frame takes in a message. */
export function frameSize({ samples }) {
  return HEADER + (samples ? samples.byteLength : 0);
}

/** Returns a message with these frames: {track, first, count, captured, samples: Int16Array or null}. */
export function encodeFrames(number, frames) {
  const buffer = new ArrayBuffer(4 + frames.reduce((sum, frame) => sum + frameSize(frame), 0));
  const view = new DataView(buffer);
  view.setUint32(0, number, true);
  let at = 4;
  for (const { track, first, count, captured, samples } of frames) {
    view.setUint8(at, samples ? SOUND : SILENCE);
    view.setUint16(at + 2, track, true);
    view.setUint32(at + 4, count, true);
    view.setFloat64(at + 8, first, true);
    view.setFloat64(at + 16, captured, true);
    at += HEADER;
    if (!samples) continue;
    // Samples have the byte order of this machine, which is little-endian wherever Chromium runs.
    new Uint8Array(buffer, at, samples.byteLength).set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    at += samples.byteLength;
  }
  return buffer;
}

/** Returns what a binary message of the service is: {kind: "picture", …}, {kind: "speech", …} or null. */
export function decodeMessage(buffer) {
  const view = new DataView(buffer);
  if (view.getUint8(0) === SPEECH) {
    return { kind: "speech", number: view.getUint32(4, true), samples: new Int16Array(buffer, 8) };
  }
  if (view.getUint8(0) !== PICTURE) return null;
  const count = view.getUint16(6, true);
  const patches = [];
  let at = 12;
  let pixels = at + 8 * count;
  for (let index = 0; index < count; index += 1, at += 8) {
    const [x, y, width, height] = [0, 2, 4, 6].map((offset) => view.getUint16(at + offset, true));
    patches.push({ x, y, width, height, pixels: new Uint8ClampedArray(buffer, pixels, 4 * width * height) });
    pixels += 4 * width * height;
  }
  return {
    kind: "picture",
    number: view.getUint32(8, true),
    width: view.getUint16(2, true),
    height: view.getUint16(4, true),
    patches,
  };
}
