/** The words of the audio pages about a running pipeline. Pure. */

import { decibels, FLOOR_DB } from "./levels.js";
import { figure } from "./audio-curves.js";

const GRANTED = { echoCancellation: "Echo cancellation", noiseSuppression: "Noise suppression", autoGainControl: "Gain control", voiceIsolation: "Voice isolation" };

/** "−21 dB", "silent", or "–" where nothing runs. `amplitude` 1 is full scale. */
export function levelWords(amplitude) {
  if (amplitude === null) return "–";
  const level = decibels(amplitude);
  return level <= FLOOR_DB ? "silent" : `${figure(Math.round(level))} dB`;
}

/** What a stage does at the moment: {text, tone}. `report` null: nothing runs. */
export function activityWords(stage, { isOn, canBeOff, isPausedBefore }, report) {
  if (isPausedBefore) return { text: "off while paused", tone: "quiet" };
  if (!isOn) return { text: "off", tone: "quiet" };
  if (report === null) return { text: canBeOff ? "on" : "passes", tone: "quiet" };
  if (stage === "vad") return report.confidence === null ? { text: "starts", tone: "quiet" } : { text: `${report.speech ? "speech" : "no speech"} ${Math.round(100 * report.confidence)} %`, tone: report.speech ? "ok" : "quiet" };
  if (stage === "silence") return report.levels.silence.count === 0 ? { text: "cuts", tone: "warn" } : { text: "passes", tone: "ok" };
  const gain = report.reductions[stage];
  if (!canBeOff || gain === undefined || stage === "voiceFilter" || stage === "resample") return { text: canBeOff ? "on" : "passes", tone: "ok" };
  return Math.abs(gain) < 0.05 ? { text: "0 dB", tone: "ok" } : { text: `${figure(Math.round(gain * 10) / 10)} dB`, tone: gain < 0 ? "warn" : "ok" };
}

/** The four kinds of the browser's processing: [{name, text, tone}]. */
export function grantedWords(granted) {
  return Object.entries(GRANTED).map(([key, name]) => {
    const word = granted[key];
    if (word === "on") return { name, text: "on: this browser did not turn it off", tone: "warn" };
    return { name, text: word, tone: word === "off" ? "ok" : "quiet" };
  });
}

/** Drop-outs of the audio output. `underruns` as of pipeline-node.js. */
export function underrunWords(underruns) {
  if (underruns === null) return { text: "not known: this browser does not count them", tone: "quiet" };
  if (underruns.events === 0) return { text: "none", tone: "ok" };
  return { text: `${underruns.events} in ${figure(Math.round(underruns.of))} s, ${figure(underruns.seconds)} s in all`, tone: "warn" };
}

/** The sentence under the page's title. */
export function statusWords({ isSupported, running, rate, enabled, changeable, pausedTitle, faults }) {
  const stages = `${enabled} of ${changeable} stages on`;
  const pause = pausedTitle === null ? "" : ` Paused at ${pausedTitle}: later stages are off.`;
  if (faults > 0) return `${faults === 1 ? "One parameter contradicts another" : `${faults} parameters contradict others`}: the last valid settings stay in use.`;
  if (!isSupported) return `This browser cannot run the pipeline; the service processes files instead. ${stages}.${pause}`;
  if (running === null) return `Nothing runs. ${stages}.${pause}`;
  return `${running === "microphone" ? "The microphone" : "The file"} runs through the pipeline at ${figure(rate / 1000)} kHz. ${stages}.${pause}`;
}
