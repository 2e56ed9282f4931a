/** How a measurement stands, in a sentence. Pure. */

import { level } from "./audio-text.js";
import { counted } from "./number-format.js";

/** The names of the stages. */
export const STAGE_TITLES = {
  original: "Original",
  decoded: "Decoded",
  voiceFilter: "Voice filter",
  vad: "Voice activity",
  noise: "Noise",
  voiceEnhance: "Enhancement",
  voiceProcess: "Processing",
  silence: "Silence",
  resample: "Resampling",
  final: "Final",
};

/** What browsers do to microphones. */
export const PROCESSING = { echoCancellation: "Echo cancellation", noiseSuppression: "Noise suppression", autoGainControl: "Gain control", voiceIsolation: "Voice isolation" };

/** From here on a phase correlation is that of the same sound in both channels; the other way round they cancel. */
const SAME = 0.999;
export const CANCELS = -0.3;

/** The phase correlation of the input in words. `phase` of a Diagnosis, or null. */
export function phaseText(phase) {
  if (phase === null) return "–";
  if (phase.channels === 1) return "none: the input is mono";
  if (phase.whole === null) return `none: ${phase.reason}`;
  const number = (value) => value.toFixed(2).replace("-", "−");
  const now = phase.now === null ? "a channel is silent now" : `${number(phase.now)} now`;
  const meaning = phase.whole >= SAME ? ": both channels are the same" : phase.whole <= CANCELS ? ": the channels cancel each other" : "";
  return `${number(phase.whole)}${meaning}; ${now}`;
}

/** `source` as the session describes it, or null; `summary` of a Diagnosis, or null; `found`: recommendations. */
export function statusSentence({ source, isOpen, summary, found }) {
  if (source === null) return "Nothing is measured. Open the microphone, or choose a file.";
  const what = source.kind === "file" ? source.label : "the microphone";
  if (summary === null) return `${isOpen ? "Measuring" : "Measured"} ${what}: no sound has arrived yet.`;
  const { before, after } = summary.sides;
  const speech = before.snrDb === null ? `no signal-to-noise ratio (${before.reason})` : `speech is ${level(before.snrDb, "dB")} over the noise`;
  const loudness = after.integrated === null ? "loudness is not known yet" : `loudness behind ${STAGE_TITLES[after.tap]} is ${level(after.integrated, "LUFS")}`;
  const advice = found.length === 0 ? "Nothing to change." : `${counted(found.length, "recommendation")}.`;
  const time = `${summary.seconds.toFixed(summary.seconds < 10 ? 1 : 0)}\u00a0s`;
  return `${isOpen ? "Measuring" : "Measured"} ${what}${isOpen ? " for" : ","} ${time}: ${speech}; ${loudness}. ${advice}`;
}
