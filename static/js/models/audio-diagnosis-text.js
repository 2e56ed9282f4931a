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

/** `source` as the session describes it, or null; `summary` of a Diagnosis, or null; `found`: recommendations. */
export function statusSentence({ source, isOpen, summary, found }) {
  if (source === null) return "Nothing is measured. Open the microphone, or choose a file.";
  const what = source.kind === "file" ? source.label : "the microphone";
  if (summary === null) return `${isOpen ? "Measuring" : "Measured"} ${what}: no sound has arrived yet.`;
  const { before, after } = summary.sides;
  const speech = before.snrDb === null ? `no signal-to-noise ratio (${before.reason})` : `speech is ${level(before.snrDb, "dB")} over the noise`;
  const loudness = after.integrated === null ? "loudness is not known yet" : `loudness after the pipeline is ${level(after.integrated, "LUFS")}`;
  const advice = found.length === 0 ? "Nothing to change." : `${counted(found.length, "recommendation")}.`;
  const time = `${summary.seconds.toFixed(summary.seconds < 10 ? 1 : 0)}\u00a0s`;
  return `${isOpen ? "Measuring" : "Measured"} ${what}${isOpen ? " for" : ","} ${time}: ${speech}; ${loudness}. ${advice}`;
}
