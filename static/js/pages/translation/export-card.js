/** The card with which the transcript is downloaded or copied: the whole session, or one recording of it. */

import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { copyText, saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { FORMATS, fileName, streamOf, toTxt } from "../../models/exports.js";
import { failureText, parseProblem } from "../../models/responses.js";
import { keyHeaders } from "../../models/upload.js";

export class ExportCard {
  #scope = new Scope();
  #texts;
  #captions;
  #targets;
  #sessionId;
  #title;
  #key;

  /** `targets()`: the languages that are read; `sessionId()`; `title()`; `key()`: a key of the session, or null; `texts`: those of the page's language. */
  constructor({ texts, captions, targets, sessionId, title, key }) {
    this.#texts = texts;
    this.#title = title;
    this.#key = key;
    this.#captions = captions;
    this.#targets = targets;
    this.#sessionId = sessionId;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("copy"), "click", () => this.copy());
    this.#scope.listen(byId("save-docx"), "click", () => this.#saveDocx());
    for (const button of document.querySelectorAll("[data-format]")) this.#scope.listen(button, "click", () => this.#save(button.dataset.format));
  }

  stop() {
    this.#scope.close();
  }

  /** Bring the number of lines and the list of recordings up to date. */
  update() {
    const lines = this.#captions.exportable;
    for (const button of document.querySelectorAll("[data-format], #save-docx, #copy")) button.disabled = lines === 0;
    const { translated } = this.#captions.languages;
    const texts = this.#texts;
    const what = translated.length > 0 ? texts.text("take.both") : texts.text("take.original");
    setText(byId("take-note"), lines === 0 ? texts.text("take.nothing") : texts.text("take.note", { count: lines, what }));
    this.#updateRecordings();
  }

  copy() {
    if (!byId("copy").disabled) copyAndReport(toTxt(this.#lines, { languages: this.#languages, texts: this.#texts }), { copied: this.#texts.text("take.copied"), failed: this.#texts.text("take.not_copied") });
  }

  #save(format) {
    const [session_id, title] = [this.#sessionId(), this.#title()];
    const text = FORMATS[format].write(this.#lines, { languages: this.#languages, session_id, title, texts: this.#texts });
    saveText(text, { name: fileName(session_id, format, { stream: byId("take-what").value, title }), type: FORMATS[format].type });
  }

  /** Word documents are written by the service: from its history, as this page has it. */
  async #saveDocx() {
    const session_id = this.#sessionId();
    const stream = byId("take-what").value;
    const query = new URLSearchParams({ format: "docx", languages: this.#languages.join(",") });
    if (stream !== "") query.set("stream", stream);
    byId("save-docx").disabled = true;
    const response = await fetch(`/api/sessions/${encodeURIComponent(session_id)}/transcript?${query}`, { headers: keyHeaders(this.#key()) }).catch(() => null);
    const body = response?.ok ? await response.blob().catch(() => null) : null;
    this.update();
    if (body !== null) saveText(body, { name: fileName(session_id, "docx", { stream, title: this.#title() }), type: body.type });
    else if (response === null || response.ok) toast(this.#texts.text("take.docx_unreachable"), { tone: "bad" });
    else {
      const { code, detail } = parseProblem(await response.text()) ?? {};
      toast(this.#texts.text("take.docx_failed", { why: failureText({ status: response.status, code, detail }, this.#texts) }), { tone: "bad" });
    }
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

/** Copy `text`, and show the sentence `copied`, or `failed` where the browser does not allow it. */
export async function copyAndReport(text, { copied, failed }) {
  if (await copyText(text)) toast(copied);
  else toast(failed, { tone: "bad" });
}
