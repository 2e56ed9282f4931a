/** Recommendations, and the report as a file and as a printed page. */

import { byId, h, keyed, setText } from "../../components/dom.js";
import { pill } from "../../components/pill.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { makeReport } from "../../models/audio-report.js";
import { reportRows } from "../../models/audio-report-rows.js";

const WORDS = { bad: "fix", warn: "check", quiet: "optional" };

export class ReportCard {
  #scope = new Scope();
  #material;
  /** What was shown last, for a page that is printed without the button. */
  #latest = null;

  /** `material()` resolves to what a report is made from, or null. */
  constructor(material) {
    this.#material = material;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("save-report"), "click", () => this.#save());
    this.#scope.listen(byId("print-report"), "click", () => this.#print());
    this.#scope.listen(globalThis, "beforeprint", () => this.#fill());
  }

  stop() {
    this.#scope.close();
  }

  enable(isEnabled) {
    byId("save-report").disabled = !isEnabled;
    byId("print-report").disabled = !isEnabled;
  }

  /** Show the recommendations `found`. */
  show(material, found) {
    if (material !== null) this.#latest = material;
    const isKnown = material !== null;
    byId("advice-none").hidden = found.length > 0;
    setText(byId("advice-none"), isKnown ? "Nothing to change: what was measured is within the targets." : "Recommendations are derived from what is measured; nothing is yet.");
    keyed(byId("advice"), found, { key: ({ id }) => id, create: () => h("li", { class: "advice" }), update: (element, each) => showAdvice(element, each) });
  }

  async #report() {
    const material = await this.#material();
    return material === null ? null : makeReport({ ...material, at: new Date().toISOString() });
  }

  async #save() {
    const report = await this.#report();
    if (report !== null) saveText(`${JSON.stringify(report, null, 2)}\n`, { name: `audio-report-${report.timestamp.replace(/[:.]/g, "-")}.json`, type: "application/json" });
  }

  async #print() {
    this.#latest = (await this.#material()) ?? this.#latest;
    this.#fill();
    globalThis.print();
  }

  /** Fill the printed page. */
  #fill() {
    if (this.#latest === null) {
      byId("printed").replaceChildren(h("p", {}, "Nothing was measured."));
      return;
    }
    const report = makeReport({ ...this.#latest, at: new Date().toISOString() });
    byId("printed").replaceChildren(h("p", { dir: "auto" }, `${report.input.label || "Microphone"}, ${new Date(report.timestamp).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" })}`), ...reportRows(report).map(table));
  }
}

function table({ title, rows }) {
  return h("section", {}, h("h2", {}, title), h("table", { class: "table" }, h("tbody", {}, rows.map(([name, ...values]) => h("tr", {}, h("th", { scope: "row" }, name), values.map((value) => h("td", {}, value)))))));
}

function showAdvice(element, { tone, text, change }) {
  const key = `${tone} ${text} ${change?.path} ${change?.to}`;
  if (element.dataset.shown === key) return;
  element.dataset.shown = key;
  const parts = [pill(WORDS[tone], tone), h("p", {}, text)];
  if (change) parts.push(h("p", { class: "advice-change" }, h("code", {}, change.path), ` ${value(change.from)} → ${value(change.to)}`));
  element.replaceChildren(...parts);
}

const value = (each) => (typeof each === "boolean" ? (each ? "on" : "off") : String(each));
