/**
 * What the parameters of a stage do, as curves. Pure.
 *
 * A curve is {id, title, x, y, lines, summary, follows}: an axis is {label, unit, from, to, ticks, isLog}; a line is
 * {points: [[x, y]], isReference, label}; `summary` says in words what it shows; `follows` {level, output}: a dot
 * shows where the present level is: `level({before, after})` of {rms, peak} in dB around the stage, and its `output`;
 * null where there is none. The equations are those of the kernels, and so is the level that each compares.
 */

import { ATTENUATION, CLARITY, EXPANDER_RANGE, GATED, LEAST_FLOOR } from "../audio/kernels/bounds.js";
import { magnitude, peaking } from "../audio/kernels/biquad.js";
import { compression, decibels, expansion } from "../audio/kernels/envelope.js";
import { bands, lower } from "../audio/kernels/voice-filter.js";
import { kaiserBeta, phaseTable, transitionWidth } from "../audio/kernels/windowed-sinc.js";

/** Points of a frequency response. */
const POINTS = 160;

/** A number as it is read: a true minus, at most two decimals. */
export const figure = (value) => String(Math.round(value * 100) / 100).replace("-", "−");

/** A frequency as it is read: 85 Hz, 2.5 kHz. */
export const hertz = (value) => (value >= 1000 ? `${figure(value / 1000)} kHz` : `${figure(value)} Hz`);

const LEVELS = { label: "Input peak", unit: "dBFS", from: -80, to: 0, ticks: [-80, -60, -40, -20, 0], isLog: false };
const OUTPUTS = { ...LEVELS, label: "Output peak" };

const frequencies = (from, to) => ({ label: "Frequency", unit: "Hz", from, to, ticks: [20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000].filter((tick) => tick >= from && tick <= to), isLog: true });
const gains = (from, to, step) => ({ label: "Gain", unit: "dB", from, to, ticks: Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step), isLog: false });

/** [[level, output]] for every decibel. */
const levels = (output) => Array.from({ length: 81 }, (_, index) => [index - 80, output(index - 80)]);

const UNCHANGED = { points: [[-80, -80], [0, 0]], isReference: true, label: "unchanged" };

/** [[frequency, dB]], evenly in octaves. */
function response(axis, gain) {
  return Array.from({ length: POINTS }, (_, index) => {
    const frequency = axis.from * (axis.to / axis.from) ** (index / (POINTS - 1));
    return [frequency, 20 * Math.log10(Math.max(gain(frequency), 1e-9))];
  });
}

/** The input is that of the stage: before its gain. */
export function compressorCurve({ gain, compressor: unit }) {
  const first = 20 * Math.log10(gain);
  const makeup = unit.enabled ? 20 * Math.log10(unit.makeupGain) : 0;
  const output = (level) => level + first + makeup + (unit.enabled ? compression(level + first, unit) : 0);
  const from = gain === 1 ? "" : ` after ${figure(first)} dB of gain`;
  return {
    id: "compressor",
    title: "Compressor",
    x: LEVELS,
    y: { ...OUTPUTS, to: 12, ticks: [-80, -60, -40, -20, 0] },
    lines: [UNCHANGED, { points: levels(output), label: "output" }],
    summary: unit.enabled
      ? `Above ${figure(unit.threshold)} dBFS${from}, ${figure(unit.ratio)} dB more at the input are 1 dB more at the output. −60 dBFS become ${figure(output(-60))}, −10 dBFS become ${figure(output(-10))}.`
      : `The compressor is off: levels ${gain === 1 ? "are unchanged" : `change by ${figure(first)} dB, the stage's gain`}.`,
    follows: { level: ({ before }) => before.peak, output },
  };
}

export function toneCurve({ clarity, deEsser }, sampleRate) {
  const x = frequencies(100, Math.min(20_000, sampleRate / 2));
  const raised = peaking(clarity.focusFreq, clarity.bandwidth, CLARITY ** clarity.amount, sampleRate);
  const most = 20 * Math.log10(CLARITY) * clarity.amount;
  const line = { points: response(x, (frequency) => (clarity.enabled ? magnitude(raised, frequency, sampleRate) : 1)), label: "clarity" };
  const edges = [deEsser.frequency - deEsser.bandwidth / 2, deEsser.frequency + deEsser.bandwidth / 2];
  const watched = deEsser.enabled ? [{ points: edges.map((edge) => [Math.min(Math.max(edge, x.from), x.to), -1]), isReference: true, label: "de-esser" }] : [];
  const words = [
    clarity.enabled ? `Clarity raises ${hertz(clarity.focusFreq)} by ${figure(most)} dB.` : "Clarity is off.",
    deEsser.enabled ? `The de-esser reduces ${hertz(edges[0])} to ${hertz(edges[1])} where that band is above ${figure(deEsser.threshold)} dBFS (dashed).` : "The de-esser is off.",
  ];
  return { id: "tone", title: "Clarity and de-esser", x, y: gains(-3, 9, 3), lines: [...watched, line], summary: words.join(" "), follows: null };
}

export function expanderCurve({ expanderGate: unit }) {
  const range = EXPANDER_RANGE;
  const output = (level) => level + (unit.enabled ? expansion(level, { ...unit, range }) : 0);
  return {
    id: "expander",
    title: "Expander",
    x: LEVELS,
    y: { ...OUTPUTS, from: -100, ticks: [-100, -80, -60, -40, -20, 0] },
    lines: [UNCHANGED, { points: levels(output), label: "output" }],
    summary: unit.enabled
      ? `Below ${figure(unit.threshold)} dBFS the output falls ${figure(unit.ratio)} dB for each dB of the input, by ${figure(range)} dB at most. −60 dBFS become ${figure(output(-60))}.`
      : "The expander is off: levels are unchanged.",
    follows: { level: ({ before }) => before.peak, output },
  };
}

export function gateCurve({ gateThreshold, noiseFloor, strength }) {
  const edge = decibels(gateThreshold);
  // The gate closes no further than suppression does.
  const gain = 20 * Math.log10(Math.max(GATED, Math.max(noiseFloor, LEAST_FLOOR) ** strength));
  const output = (level) => (gateThreshold > 0 && level < edge ? level + gain : level);
  const points = gateThreshold > 0 && edge > -80 ? [[-80, -80 + gain], [edge, edge + gain], [edge, edge], [0, 0]] : [[-80, -80], [0, 0]];
  const removed = strength > 0 ? `Suppression at strength ${figure(strength)} lowers what is only noise` : "Suppression is off";
  return {
    id: "gate",
    title: "Gate",
    x: { ...LEVELS, label: "RMS after suppression" },
    y: { ...OUTPUTS, label: "Output RMS", from: -120, ticks: [-120, -90, -60, -30, 0] },
    lines: [UNCHANGED, { points, label: "output" }],
    summary: gateThreshold > 0 ? `What is below ${figure(edge)} dBFS after suppression is lowered by ${figure(-gain)} dB. ${removed}.` : `The gate is open at every level. ${removed}.`,
    // What is below the threshold at the output left a closed gate.
    follows: { level: ({ after }) => (gateThreshold > 0 && after.rms < edge ? Math.min(edge - 0.01, after.rms - gain) : after.rms), output },
  };
}

/** Pauses within sound; at its ends one side of the padding is left. Frames of 10 ms, as in silence.js. */
export function pauseCurve({ minDuration, padDuration, trimStart, trimEnd }) {
  const left = 20 * Math.floor(padDuration / 10);
  const longest = Math.max(10 * Math.floor(minDuration / 10), left);
  const to = Math.max(500, 500 * Math.ceil((2 * longest) / 500));
  const axis = { unit: "ms", from: 0, to, ticks: Array.from({ length: 6 }, (_, index) => (index * to) / 5), isLog: false };
  const ends = trimStart && trimEnd ? "Both ends are trimmed" : trimStart ? "The start is trimmed" : trimEnd ? "The end is trimmed" : "The ends are not trimmed";
  return {
    id: "pauses",
    title: "Pauses",
    x: { ...axis, label: "Pause in the input" },
    y: { ...axis, label: "In the output" },
    lines: [{ points: [[0, 0], [to, to]], isReference: true, label: "unchanged" }, { points: [[0, 0], [longest, longest], [longest, left], [to, left]], label: "output" }],
    summary: `Pauses up to ${figure(longest)} ms stay; longer ones become ${figure(left)} ms, ${figure(left / 2)} ms at each side. ${ends}. While one listens, what is cut is silent, since time goes on.`,
    follows: null,
  };
}

/** While nobody speaks: the lower edge is where it is set. */
export function voiceFilterCurve(parameters, sampleRate) {
  const x = frequencies(20, Math.min(20_000, sampleRate / 2));
  const filter = [...lower(parameters.fundamentalMin, sampleRate), ...bands(parameters, sampleRate)];
  const at = (frequency) => 20 * Math.log10(magnitude(filter, frequency, sampleRate));
  const moving = parameters.adaptiveFiltering ? " The lower edge rises with the fundamental of who speaks." : "";
  return {
    id: "response",
    title: "Frequency response",
    x,
    y: gains(-30, 12, 6),
    lines: [{ points: [[x.from, 0], [x.to, 0]], isReference: true, label: "unchanged" }, { points: response(x, (frequency) => magnitude(filter, frequency, sampleRate)), label: "gain" }],
    summary: `50 Hz: ${figure(at(50))} dB. 1 kHz: ${figure(at(1000))} dB. ${hertz(Math.min(6000, 0.45 * sampleRate))}: ${figure(at(Math.min(6000, 0.45 * sampleRate)))} dB.${moving}`,
    follows: null,
  };
}

export function resampleCurve({ targetRate, quality, antiAlias, filterOrder }, sampleRate) {
  const x = frequencies(1000, sampleRate / 2);
  const half = targetRate / 2;
  const stretch = Math.max(1, sampleRate / targetRate);
  const isFiltered = antiAlias && targetRate !== sampleRate;
  const edge = half * (1 - 2 * transitionWidth(ATTENUATION[quality], filterOrder));
  const words = isFiltered
    ? `Up to ${hertz(edge)} all is kept, above ${hertz(half)} all but ${figure(-ATTENUATION[quality])} dB is removed before the rate becomes ${hertz(targetRate)}.`
    : targetRate === sampleRate
      ? `The rate is ${hertz(targetRate)} already: nothing is filtered.`
      : `Without the filter, what is above ${hertz(half)} comes back as other tones.`;
  const gain = isFiltered ? lowPass(Math.ceil((filterOrder * stretch) / 2), (1 - transitionWidth(ATTENUATION[quality], filterOrder)) / stretch, ATTENUATION[quality], sampleRate) : () => 1;
  return { id: "resample", title: "Anti-alias filter", x, y: gains(-120, 0, 20), lines: [{ points: [[half, -120], [half, 0]], isReference: true, label: "half the target rate" }, { points: response(x, gain), label: "gain" }], summary: words, follows: null };
}

/** The gain of the sinc filter at a frequency; its taps are symmetric. */
function lowPass(half, cutoff, attenuation, sampleRate) {
  const taps = phaseTable(1, half, cutoff, kaiserBeta(attenuation));
  return (frequency) => {
    const w = (2 * Math.PI * frequency) / sampleRate;
    let re = 0;
    let im = 0;
    taps.forEach((tap, index) => {
      re += tap * Math.cos(w * index);
      im += tap * Math.sin(w * index);
    });
    return Math.hypot(re, im);
  };
}
