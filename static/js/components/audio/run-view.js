/** One run: both transcripts with the words that differ, measures before and after, and of each stage. */

import { comparisonNotes, comparisonRows, MEASURES, measureTitle, measureWords } from "../../models/measures.js";
import { figure } from "../../models/audio-curves.js";
import { UNKNOWN } from "../../models/number-format.js";
import { differencePieces, differenceWords, errorRateWords } from "../../models/word-differences.js";
import { h } from "../dom.js";
import { emptyState } from "../empty-state.js";
import { hintAtOverflow } from "../overflow-hint.js";

const button = (text, onclick) => h("button", { type: "button", class: "button button-small", onclick }, text);
const hidden = (text) => h("span", { class: "visually-hidden" }, text);
const MARKS = {
  equal: (text) => text,
  deleted: (text) => h("del", {}, hidden("only with A: "), text, hidden(", ")),
  inserted: (text) => h("ins", {}, hidden("only with B: "), text, hidden(", ")),
};

/** The nodes of a run, or those of none (null). `actions`: {download(key), stages(), again()}; `titles`: of stages by id. */
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
    ...table("Measures", ["Measure", "Before", "A", "B"], comparisonRows(comparison)),
    ...comparisonNotes(comparison).map((text) => h("p", { class: "small muted" }, text)),
    ...(run.stages === null ? [] : stages(run.stages, titles)),
    h(
      "div",
      { class: "toolbar test-actions" },
      button("Test this sound again", actions.again),
      run.stages === null ? button("Measure each stage of B", actions.stages) : null,
      ...buttons.map(([key, text]) => button(text, () => actions.download(key))),
    ),
  ];
}

function differences({ differences: errors }) {
  const pieces = errors === null ? [] : differencePieces(errors.alignment);
  return [
    h("p", {}, h("strong", {}, differenceWords(errors))),
    pieces.length > 0 && h("p", { class: "test-words", id: "differences", dir: "auto" }, ...pieces.flatMap(({ kind, text }) => [MARKS[kind](text), " "])),
    pieces.some(({ kind }) => kind !== "equal") && h("p", { class: "small muted" }, "Struck through: only with A. Underlined: only with B."),
  ].filter(Boolean);
}

function transcripts({ comparison, reference }) {
  return h(
    "dl",
    { class: "facts" },
    reference && [h("dt", {}, "Spoken"), h("dd", { dir: "auto" }, reference)],
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
  return [
    h("h3", { class: "test-heading" }, "What leaves each stage of B"),
    ...table(
      "What leaves each stage of B",
      ["Stage", "Time, ms", ...measures.map(measureTitle)],
      analysis.stages.map(({ stage, is_on: isOn, milliseconds, analysis: measured }) => [titles.get(stage) ?? stage, isOn ? (milliseconds === null ? UNKNOWN : figure(Math.round(10 * milliseconds) / 10)) : "off", ...measures.map((measure) => measureWords(measured, measure))]),
    ),
  ];
}

/** A table in a box that scrolls sideways where it is too narrow, and the hint that it does. */
function table(caption, heads, rows) {
  const box = h(
    "div",
    { class: "table-wrap test-table", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "table" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, ...heads.map((head, index) => h("th", { scope: "col", class: index > 0 ? "number" : null }, head)))), h("tbody", {}, ...rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((cell) => h("td", { class: "number" }, cell)))))),
  );
  const hint = h("p", { class: "small muted test-hint", hidden: true }, "The table goes on at the right: scroll it sideways.");
  hintAtOverflow(box, hint);
  return [hint, box];
}
