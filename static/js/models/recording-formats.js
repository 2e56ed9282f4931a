/** The formats in which the page of audio tests records, and which of them a browser has. Pure. */

/** `type`: the MIME type for MediaRecorder; null: written by the page (audio/wav.js). */
export const FORMATS = [
  { id: "wav16", title: "WAV, 16 bit", extension: "wav", type: null, isFloat: false },
  { id: "wav32", title: "WAV, 32-bit float", extension: "wav", type: null, isFloat: true },
  { id: "webm", title: "WebM, Opus", extension: "webm", type: "audio/webm;codecs=opus" },
  { id: "ogg", title: "Ogg, Opus", extension: "ogg", type: "audio/ogg;codecs=opus" },
  { id: "mp4", title: "MP4, AAC", extension: "mp4", type: "audio/mp4;codecs=mp4a.40.2" },
  { id: "mp4opus", title: "MP4, Opus", extension: "mp4", type: "audio/mp4;codecs=opus" },
];

/** Rates to choose, Hz; null: the device's own. */
export const RATES = [null, 48_000, 44_100, 16_000, 8_000];

/** A recording ends by itself after this many seconds. */
export const LONGEST = 300;

/** The formats that work here. `hasWorklets`: WAV is recorded by an AudioWorklet; `isSupported(type)`: MediaRecorder's, or null. */
export function supportedFormats({ hasWorklets, isSupported }) {
  return FORMATS.filter(({ type }) => (type === null ? hasWorklets : isSupported !== null && isSupported(type)));
}

/** Which formats this browser does not record, and why; "" where it has all of them. Takes what `supportedFormats` takes. */
export function missingFormatsWords(abilities) {
  const has = new Set(supportedFormats(abilities));
  const missing = FORMATS.filter((format) => !has.has(format)).map(({ title }) => title.replace(", ", " with "));
  if (missing.length === 0) return "";
  if (missing.length === FORMATS.length) return "This browser records no sound here. Files can be chosen all the same.";
  const listed = missing.length === 1 ? missing[0] : `${missing.slice(0, -1).join(", ")} or ${missing.at(-1)}`;
  return `This browser does not record ${listed}. Such files can be chosen all the same.`;
}

/** A file's name of the time: "recording-2025-11-24-140211.wav". `at`: a Date. */
export function recordingName(at, { extension }) {
  const pad = (value) => String(value).padStart(2, "0");
  const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join("-");
  return `recording-${day}-${pad(at.getHours())}${pad(at.getMinutes())}${pad(at.getSeconds())}.${extension}`;
}

/** "0:07 of 5:00". */
export function lengthWords(seconds) {
  return `${minutes(seconds)} of ${minutes(LONGEST)}`;
}

/** "1:05". */
export function minutes(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
