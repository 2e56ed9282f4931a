/**
 * What to change, from what was measured: each recommendation has the number that it comes from and, where one would
 * help, the parameter with its value now and the one to try. Pure.
 */

import { STAGE_IDS, isOn } from "../audio/kernels/stages.js";
import { CANCELS, STAGE_TITLES } from "./audio-diagnosis-text.js";
import { valueAt } from "./audio-report.js";

/** EBU R 128: programme loudness, and the highest true peak. */
export const TARGET_LUFS = -23;
export const TARGET_PEAK_DB = -1;
/** Loudness may differ by so much (LU) before it is mentioned. */
const LOUDNESS_WITHIN = 3;
/** A ratio below is hard to understand for recognisers; one above needs no suppression. */
const POOR_SNR_DB = 12;
const CLEAN_SNR_DB = 25;
/** What is estimated with less confidence is not acted on. */
const LEAST_CONFIDENCE = 0.4;
/** The share of real time beyond which blocks may be late. */
const BUSY = 0.25;

const one = (value) => value.toFixed(1).replace("-", "−");
const one2 = (value) => value.toFixed(2).replace("-", "−");
const isBehind = ({ tap }, stage) => STAGE_IDS.indexOf(tap) >= STAGE_IDS.indexOf(stage);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const rounded = (value, step) => Number((Math.round(value / step) * step).toFixed(6));
const share = (part, whole) => `${((100 * part) / whole).toFixed(2)} %`;

/** A change of a parameter, or null where it has that value. */
function change(settings, path, to) {
  const from = valueAt(settings.parameters, path);
  return from === to ? null : { path, from, to };
}

/** For each rule: (measured) to a recommendation or null. */
const RULES = [
  function silence({ before }) {
    if (before.peakDb !== null && before.peakDb > -70) return null;
    const level = before.peakDb === null ? "digital silence" : `${one(before.peakDb)} dBFS at most`;
    return { tone: "bad", text: `Nothing can be heard before the pipeline: ${level}. Check that the right microphone is chosen and not muted.`, number: before.peakDb };
  },
  function clippedInput({ before }) {
    if (before.clipped === 0) return null;
    return { tone: "bad", text: `${before.clipped.toLocaleString("en")} samples (${share(before.clipped, before.seconds * before.sampleRate)}) are clipped before the pipeline, which no stage can mend. Lower the gain of the microphone in the system's settings.`, number: before.clipped };
  },
  function processing({ granted }) {
    const on = Object.entries(granted ?? {}).filter(([, word]) => word.startsWith("on"));
    if (on.length === 0) return null;
    const names = { echoCancellation: "echo cancellation", noiseSuppression: "noise suppression", autoGainControl: "gain control", voiceIsolation: "voice isolation" };
    return { tone: "warn", text: `The browser did not switch off ${on.map(([name]) => names[name]).join(" and ")}: ${on.length} of 4 kinds of processing are on, and change the sound before it is measured. Choose another device or browser.`, number: on.length };
  },
  function phase({ phase }) {
    if (phase === null || phase.channels !== 2) return null;
    if (phase.whole === null) return phase.silent === 1 ? { tone: "warn", text: "One of the two channels is silent: mixed to one, the other is 6.0 dB quieter. Choose another input, or check its cable.", number: 6 } : null;
    if (phase.whole > CANCELS) return null;
    return { tone: phase.whole < -0.8 ? "bad" : "warn", text: `The two channels are nearly opposite (phase correlation ${one2(phase.whole)}): mixed to one they cancel each other. Check the cable of the microphone, or record one channel.`, number: phase.whole };
  },
  function dropOuts({ underruns, dropped }) {
    if (!(underruns > 0) && !(dropped > 0)) return null;
    if (underruns > 0) return { tone: "warn", text: `The browser's output had ${underruns} underruns: crackling comes from this machine, not from the pipeline. Close other programs and tabs.`, number: underruns };
    return { tone: "warn", text: `The browser dropped ${dropped} frames of the microphone: gaps come from this machine. Close other programs and tabs.`, number: dropped };
  },
  function noise({ before, settings }) {
    const { snrDb, confidence } = before;
    if (snrDb === null || confidence < LEAST_CONFIDENCE) return null;
    const strength = settings.parameters.noiseReduction.strength;
    if (snrDb < POOR_SNR_DB) {
      const wanted = isOn(settings, "noise") ? change(settings, "noiseReduction.strength", rounded(clamp(strength + 0.2, 0, 0.95), 0.05)) : null;
      return { tone: "warn", text: `Speech is only ${one(snrDb)} dB over the noise (confidence ${confidence.toFixed(2)}); from ${POOR_SNR_DB} dB on it is easy to recognise. Move closer to the microphone, or suppress more.`, number: snrDb, change: wanted };
    }
    if (snrDb > CLEAN_SNR_DB && strength > 0.3 && isOn(settings, "noise")) {
      return { tone: "quiet", text: `Speech is ${one(snrDb)} dB over the noise (confidence ${confidence.toFixed(2)}): there is little to suppress, and suppression costs detail.`, number: snrDb, change: change(settings, "noiseReduction.strength", 0.3) };
    }
    return null;
  },
  function energy({ before, settings }) {
    if (before.floorDb === null || before.confidence < LEAST_CONFIDENCE || !isOn(settings, "vad")) return null;
    const threshold = settings.parameters.vad.energyThreshold;
    const floor = 10 ** (before.floorDb / 20);
    if (floor <= threshold || threshold >= 0.1) return null;
    return { tone: "warn", text: `The noise floor is ${one(before.floorDb)} dBFS (${floor.toFixed(3)} of full scale), above the level from which sound can count as speech (${threshold}): noise can be mistaken for speech.`, number: before.floorDb, change: change(settings, "vad.energyThreshold", rounded(clamp(1.5 * floor, 0, 0.1), 0.001)) };
  },
  function faintSpeech({ before, settings, speechShare }) {
    if (speechShare !== 0 || before.seconds < 5 || !isOn(settings, "vad") || before.totalRmsDb === null || before.totalRmsDb < -60) return null;
    const level = 10 ** (before.totalRmsDb / 20);
    const threshold = settings.parameters.vad.energyThreshold;
    if (level >= threshold) return null;
    return { tone: "warn", text: `No speech was found in ${one(before.seconds)} s, and the sound (${one(before.totalRmsDb)} dBFS RMS, ${level.toFixed(4)} of full scale) is below the level from which sound can count as speech (${threshold}).`, number: before.totalRmsDb, change: change(settings, "vad.energyThreshold", rounded(level / 2, 0.001)) };
  },
  function truePeak({ after, settings }) {
    if (after.truePeakDb === null || after.truePeakDb <= TARGET_PEAK_DB || !isOn(settings, "voiceEnhance") || !isBehind(after, "voiceEnhance")) return null;
    const target = rounded(clamp(settings.parameters.voiceEnhancement.targetPeak * 10 ** ((TARGET_PEAK_DB - after.truePeakDb) / 20), 0, 1) - 0.005, 0.01);
    const path = settings.parameters.voiceEnhancement.limiter?.enabled === false ? ["voiceEnhancement.limiter.enabled", true] : ["voiceEnhancement.targetPeak", target];
    return { tone: "warn", text: `The true peak behind ${STAGE_TITLES[after.tap]} is ${one(after.truePeakDb)} dBTP, above ${one(TARGET_PEAK_DB)} dBTP: players and codecs may clip it.`, number: after.truePeakDb, change: change(settings, ...path) };
  },
  function loudness({ after, settings }) {
    if (after.integrated === null || !isOn(settings, "voiceEnhance") || !isBehind(after, "voiceEnhance") || settings.parameters.voiceEnhancement.normalize) return null;
    const difference = TARGET_LUFS - after.integrated;
    if (Math.abs(difference) <= LOUDNESS_WITHIN) return null;
    const gain = rounded(clamp(settings.parameters.voiceEnhancement.gain * 10 ** (difference / 20), 0.5, 2), 0.05);
    const side = difference > 0 ? "quieter" : "louder";
    return { tone: "quiet", text: `Loudness behind ${STAGE_TITLES[after.tap]} is ${one(after.integrated)} LUFS, ${one(Math.abs(difference))} LU ${side} than the target of ${one(TARGET_LUFS)} LUFS.`, number: after.integrated, change: change(settings, "voiceEnhancement.gain", gain) };
  },
  function speed({ stages, seconds }) {
    const busy = stages.map(({ id, seconds: spent }) => ({ id, load: spent / seconds }));
    const sum = busy.reduce((total, { load }) => total + load, 0);
    if (!(seconds > 2) || sum <= BUSY) return null;
    const slowest = busy.reduce((most, each) => (each.load > most.load ? each : most));
    return { tone: "warn", text: `The stages need ${(100 * sum).toFixed(0)} % of real time in this browser, more than ${100 * BUSY} %; ${STAGE_TITLES[slowest.id]} alone needs ${(100 * slowest.load).toFixed(0)} %. Switch it off here, or let the server process.`, number: sum, stage: slowest.id };
  },
];

/**
 * The recommendations, gravest first: [{id, tone, text, number, change: {path, from, to} or null}].
 *
 * `measured`: {before, after: the values of a tap, phase, settings, stages, seconds, granted, underruns, dropped, speechShare}.
 */
export function recommendations(measured) {
  const order = ["bad", "warn", "quiet"];
  return RULES.map((rule) => {
    const found = rule(measured);
    return found === null ? null : { change: null, ...found, id: rule.name };
  })
    .filter((found) => found !== null)
    .sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}
