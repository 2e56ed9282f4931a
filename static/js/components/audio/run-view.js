/** One run: both transcripts with the words that differ, measures before and after, and of each stage. */

import { MEASURES, measureWords } from "../../models/measures.js";
import { figure } from "../../models/audio-curves.js";
import { UNKNOWN } from "../../models/number-format.js";
import { differencePieces, differenceWords, errorRateWords } from "../../models/word-differences.js";
import { h } from "../dom.js";
import { emptyState } from "../empty-state.js";

const hidden = (text) => h("span", { class: "visually-hidden" }, text);
const MARKS = {
  equal: (text) => text,
  deleted: (text) => h("del", {}, hidden("only with A: "), text, hidden(", ")),
  inserted: (text) => h("ins", {}, hidden("only with B: "), text, hidden(", ")),
};

/** The nodes of a run, or those of none (null). `actions`: {download(key), stages()}; `titles`: of stages by id. */
export function runView(run, titles, actions) {
  if (run === null) return [emptyState("Nothing was run yet.", "Record or choose a sound, choose two settings, and run them: measures, transcripts and the words that differ are shown here.")];
  const { comparison, sides, files } = run;
  const buttons = [
    ["original", "Download original"],
    ["a", `Download A, ${sides.a.title}`],
    ["b", `Download B, ${sides.b.title}`],
  ].filter(([key]) => files[key] !== null);
  return [
    h("p", { dir: "auto" }, `${run.name}: A is ${sides.a.title}, B is ${sides.b.title}.`),
    ...differences(comparison),
    transcripts(run),
    table(
      "Measures",
      ["Measure", "Before", "A", "B"],
      MEASURES.map((measure) => [measure.title, ...[comparison.before, comparison.a.analysis, comparison.b.analysis].map((analysis) => measureWords(analysis, measure))]).concat([
        ["Length", ...[comparison.file.seconds, comparison.a.seconds, comparison.b.seconds].map((seconds) => `${figure(Math.round(100 * seconds) / 100)} s`)],
        ["Processor time", UNKNOWN, ...[comparison.a, comparison.b].map(({ milliseconds }) => `${figure(Math.round(milliseconds))} ms`)],
      ]),
    ),
    run.stages === null ? null : stages(run.stages, titles),
    h("div", { class: "toolbar" }, run.stages === null ? h("button", { type: "button", class: "button button-small", onclick: actions.stages }, "Measure each stage of B") : null, ...buttons.map(([key, text]) => h("button", { type: "button", class: "button button-small", onclick: () => actions.download(key) }, text))),
  ].filter((node) => node !== null);
}

function differences({ differences: errors }) {
  const pieces = errors === null ? [] : differencePieces(errors.alignment);
  return [
    h("p", {}, h("strong", {}, differenceWords(errors))),
    pieces.length > 0 && h("p", { class: "test-words", id: "differences", dir: "auto" }, ...pieces.flatMap(({ kind, text }) => [MARKS[kind](text), " "])),
    pieces.some(({ kind }) => kind !== "equal") && h("p", { class: "small muted" }, "Struck through: only with A. Underlined: only with B."),
  ].filter(Boolean);
}

function transcripts({ comparison }) {
  return h(
    "dl",
    { class: "facts" },
    ...["a", "b"].flatMap((key) => {
      const { text, problem, word_errors: errors } = comparison[key].transcript;
      const words = problem !== null ? `Not transcribed: ${problem.detail}` : text === "" ? "No words were recognised." : text;
      const rate = errorRateWords(errors);
      return [h("dt", {}, key.toUpperCase()), h("dd", { dir: "auto", id: `transcript-${key}` }, words, rate === "" ? null : h("p", { class: "small muted" }, rate))];
    }),
  );
}

function stages(analysis, titles) {
  const measures = MEASURES.filter(({ key }) => key !== "clipping_count");
  return table(
    "What leaves each stage of B",
    ["Stage", "Time", ...measures.map(({ title }) => title)],
    analysis.stages.map(({ stage, is_on: isOn, milliseconds, analysis: measured }) => [titles.get(stage) ?? stage, isOn ? (milliseconds === null ? UNKNOWN : `${figure(Math.round(10 * milliseconds) / 10)} ms`) : "off", ...measures.map((measure) => measureWords(measured, measure))]),
  );
}

function table(caption, heads, rows) {
  return h(
    "div",
    { class: "table-wrap test-stages", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "table" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, ...heads.map((head, index) => h("th", { scope: "col", class: index > 0 ? "number" : null }, head)))), h("tbody", {}, ...rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((cell) => h("td", { class: "number" }, cell)))))),
  );
}
