/** The card with which the transcript is downloaded or copied: the whole session, or one recording of it. */

import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { copyText, saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { FORMATS, fileName, streamOf, toTxt } from "../../models/exports.js";
import { counted } from "../../models/number-format.js";

export class ExportCard {
  #scope = new Scope();
  #captions;
  #targets;
  #sessionId;

  /** `targets()`: the languages that are read; `sessionId()`. */
  constructor({ captions, targets, sessionId }) {
    this.#captions = captions;
    this.#targets = targets;
    this.#sessionId = sessionId;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("copy"), "click", () => this.copy());
    for (const button of document.querySelectorAll("[data-format]")) this.#scope.listen(button, "click", () => this.#save(button.dataset.format));
  }

  stop() {
    this.#scope.close();
  }

  /** Bring the number of lines and the list of recordings up to date. */
  update() {
    const lines = this.#captions.exportable;
    for (const button of document.querySelectorAll("[data-format], #copy")) button.disabled = lines === 0;
    const { translated } = this.#captions.languages;
    const what = translated.length > 0 ? "original and translations" : "original";
    setText(byId("take-note"), lines === 0 ? "nothing yet" : `${counted(lines, "line")} · ${what}`);
    this.#updateRecordings();
  }

  copy() {
    if (!byId("copy").disabled) copyAndReport(toTxt(this.#lines, { languages: this.#languages }), "The transcript was");
  }

  #save(format) {
    const session_id = this.#sessionId();
    const text = FORMATS[format].write(this.#lines, { languages: this.#languages, session_id });
    saveText(text, { name: fileName(session_id, format, byId("take-what").value), type: FORMATS[format].type });
  }

  /** The lines of the session, or those of the chosen recording; these count from the recording's own beginning. */
  get #lines() {
    const stream = byId("take-what").value;
    return stream === "" ? this.#captions.lines : this.#captions.lines.filter(({ id }) => streamOf(id) === stream);
  }

  get #languages() {
    return [...new Set([...this.#targets(), ...this.#captions.languages.translated])];
  }

  #updateRecordings() {
    const { recordings } = this.#captions;
    const choice = byId("take-what");
    const listed = new Set([...choice.options].map(({ value }) => value));
    for (const [stream, name] of recordings) if (!listed.has(stream)) choice.add(new Option(name, stream));
    for (const option of [...choice.options]) if (option.value !== "" && !recordings.has(option.value)) option.remove();
    byId("take-what-field").hidden = recordings.size === 0;
  }
}

/** Copy `text`, and show whether it was: `subject` begins the sentence. */
export async function copyAndReport(text, subject) {
  if (await copyText(text)) toast(`${subject} copied.`);
  else toast(`${subject} not copied: the browser does not allow it here.`, { tone: "bad" });
}
