/**
 * Recordings: chosen or dropped, uploaded with progress, and transcribed by the service; and those that the service
 * transcribes already, uploaded before a reload or by another participant.
 */

import { failureText, foreignResponseText, parseProblem } from "../../models/responses.js";
import { streamOf } from "../../models/exports.js";
import { RecordingKeys } from "../../models/recording-keys.js";
import { ended, entryOf, found, recordingState, unfinished } from "../../models/recording-text.js";
import { refusedUpload } from "../../models/translation-text.js";
import { keyHeaders, LONG, recordingUrl, upload, UploadError } from "../../models/upload.js";
import { UploadMemory } from "../../models/upload-memory.js";
import { h, keyed, setAttribute, setText } from "../dom.js";
import { Scope } from "../scope.js";

/** A finished recording stays in the list for this long (ms). */
const SHOWN_FOR = 15_000;
/** A recording may end in silence: transcribed up to this many seconds before its end it is complete. */
const SILENCE = 3;
/** Recordings that are uploaded or transcribed at a time; the next ones wait here. */
const AT_A_TIME = 2;
/** A history may have lines of many recordings: those still being transcribed are requested once, after this long (ms). */
const CHECK_AFTER = 500;
const OVER = new Set(["done", "cancelled", "unfinished"]);

/** Whether an id is the stream's, or that of one of its segments. */
const isOf = (id, stream_id) => id === stream_id || id.startsWith(`${stream_id}-`);

export class Recordings {
  #scope = new Scope();
  #texts;
  #timers = new Set();
  #input;
  #button;
  #drop;
  #card;
  #list;
  #target;
  #prepare;
  #key;
  #onRejected;
  #onChange;
  #mayCancel;
  #cancelAsOwner;
  #keys;
  #uploads;
  #all = [];
  #made = 0;
  /** stream -> seconds transcribed, of the recordings that were not uploaded here. */
  #written = new Map();
  #checkTimer = null;
  #dragDepth = 0;

  /**
   * `target()` is {session_id, source, targets} or null; `prepare()` resolves to whether there is a session;
   * `key()` is its key; `onRejected(text)`; `onChange()`. `mayCancel()`: why any recording may be cancelled, "owner" or "operator", or null;
   * `cancelAsOwner(session_id, stream_id)` does so over the socket. `storage` has the keys of the recordings that this tab uploaded,
   * `uploadStorage` the uploads that this browser has not completed; `texts`: those of the page's language.
   */
  constructor({ texts, input, button, drop, card, list, target, prepare, key, onRejected, onChange, mayCancel, cancelAsOwner, storage, uploadStorage }) {
    this.#texts = texts;
    this.#input = input;
    this.#button = button;
    this.#drop = drop;
    this.#card = card;
    this.#list = list;
    this.#target = target;
    this.#prepare = prepare;
    this.#key = key;
    this.#onRejected = onRejected;
    this.#onChange = onChange;
    this.#mayCancel = mayCancel;
    this.#cancelAsOwner = cancelAsOwner;
    this.#keys = new RecordingKeys(storage);
    this.#uploads = new UploadMemory(uploadStorage);
  }

  /** The number of recordings that are being uploaded or transcribed. */
  get active() {
    return this.#all.filter(({ phase }) => !OVER.has(phase)).length;
  }

  /** Whether a segment or stream is of a recording that is shown. */
  owns(id) {
    return this.#all.some(({ stream_id }) => stream_id && isOf(id, stream_id));
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#button, "click", () => this.choose());
    this.#scope.listen(this.#input, "change", () => this.#chosen());
    for (const [name, listener] of this.#drags) this.#scope.listen(globalThis, name, listener);
    this.#scope.defer(() => {
      for (const timer of this.#timers) clearTimeout(timer);
      this.#timers.clear();
      this.#checkTimer = null;
    });
  }

  /** Uploads go on; the page no longer follows them. */
  stop() {
    this.#scope.close();
  }

  #after(delay, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delay);
    this.#timers.add(timer);
    return timer;
  }

  choose() {
    this.#input.click();
  }

  /** Apply a session message: captions and the end of a stream show the progress. */
  apply(message) {
    const stream = message.stream_id ?? message.segment_id;
    const entry = stream && this.#all.find(({ stream_id }) => stream_id && isOf(stream, stream_id));
    if (stream && !entry && message.type === "transcript" && message.recording) this.#applyUnknown(streamOf(stream), message);
    if (!entry || OVER.has(entry.phase)) return;
    if (message.type === "transcript" && message.final) entry.written = Math.max(entry.written, message.end);
    if (message.type === "audio_status") entry.waitingFor = message.waiting_for;
    if (message.type === "error") entry.problem = { code: message.code, detail: message.detail };
    if (message.type === "audio_ended") {
      Object.assign(entry, ended(entry, message));
      this.#finish(entry);
    }
    this.#show();
  }

  /** Apply a line of a recording that is not shown: another participant uploaded it. The list is requested once for each. */
  #applyUnknown(stream_id, { session_id, final, end }) {
    const isKnown = this.#written.has(stream_id);
    this.#written.set(stream_id, Math.max(this.#written.get(stream_id) ?? 0, final ? end : 0));
    if (isKnown) return;
    this.#checkTimer ??= this.#after(CHECK_AFTER, () => {
      this.#checkTimer = null;
      // After a failure it is not shown until its next line, or until the page reconnects.
      this.check(session_id).catch(() => this.#written.delete(stream_id));
    });
  }

  /** Load the recordings that the service transcribes in the session, and end those that it no longer does. */
  async check(session_id) {
    this.#showUnfinished(session_id);
    const response = await fetch(`/api/sessions/${encodeURIComponent(session_id)}/recordings`, { headers: keyHeaders(this.#key()) });
    // 404: the session begins with its first word.
    if (response.status === 404) return;
    if (!response.ok) throw new Error(foreignResponseText(response.status));
    const { recordings } = await response.json();
    const now = new Set(recordings.map(({ stream_id }) => stream_id));
    // Recordings found in another session of this tab are not shown in this one.
    this.#all = this.#all.filter((entry) => !entry.isFound || entry.session_id === session_id);
    for (const entry of this.#all) {
      if (entry.session_id !== session_id || (entry.phase !== "reading" && entry.phase !== "cancelling") || now.has(entry.stream_id)) continue;
      entry.phase = "done";
      // Without a length it is not known whether it was transcribed to its end.
      entry.isBroken = entry.length === null || entry.written < entry.length - SILENCE;
      this.#finish(entry);
    }
    for (const recording of recordings) {
      if (this.#all.some(({ stream_id }) => stream_id === recording.stream_id)) continue;
      this.#made += 1;
      const written = this.#written.get(recording.stream_id) ?? 0;
      this.#all.push({ ...found(recording, this.#texts), written, key: this.#made, session_id, file: null, target: null, abort: null });
    }
    this.#show();
  }

  /** Show the uploads that were cut off when the page was left. */
  #showUnfinished(session_id) {
    const isGoingOn = ({ name, size }) => this.#all.some(({ file }) => file?.name === name && file.size === size);
    this.#all = this.#all.filter(({ phase }) => phase !== "unfinished");
    for (const stored of this.#uploads.unfinished(session_id).filter((each) => !isGoingOn(each))) {
      this.#made += 1;
      this.#all.push({ ...unfinished(stored), key: this.#made, session_id, file: null, target: null, abort: null });
    }
    this.#show();
  }

  /** Upload files one after the other: the first may have to begin the session for the next ones. */
  async #sendAll(files) {
    for (const file of files) await this.#send(file);
  }

  async #send(file) {
    const target = this.#target() !== null && (await this.#prepare()) ? this.#target() : null;
    if (target === null) {
      this.#onRejected(this.#texts.text("recording.no_session", { name: file.name }));
      return;
    }
    this.#made += 1;
    const entry = { ...entryOf(file.name), key: this.#made, file, target, abort: new AbortController() };
    const begun = this.#uploads.read(target.session_id, file);
    this.#all = this.#all.filter(({ phase, url }) => phase !== "unfinished" || url !== begun?.url);
    this.#all.push(entry);
    this.#sendNext();
    this.#show();
  }

  /** Upload as many of the waiting recordings as there is room for. */
  #sendNext() {
    const isUnderWay = ({ phase, isFound }) => !isFound && phase !== "waiting" && !OVER.has(phase);
    let room = AT_A_TIME - this.#all.filter(isUnderWay).length;
    for (const entry of this.#all.filter(({ phase }) => phase === "waiting")) {
      if (room <= 0) return;
      room -= 1;
      this.#upload(entry);
    }
  }

  async #upload(entry) {
    const { file, target } = entry;
    entry.phase = "uploading";
    try {
      const { stream_id, recording_key, seconds: length, tracks, track } = await this.#sendFile(entry);
      this.#keys.write(stream_id, recording_key ?? "");
      // It may have been listed before the response arrived.
      this.#all = this.#all.filter((one) => one === entry || one.stream_id !== stream_id);
      Object.assign(entry, { phase: "reading", session_id: target.session_id, stream_id, length: length ?? null, tracks: tracks ?? null, track: track ?? null });
    } catch (error) {
      this.#discard(entry);
      if (error.name !== "AbortError") this.#onRejected(this.#refusal(error, file));
    }
    this.#sendNext();
    this.#show();
  }

  /** Why a file was rejected, and what to do. */
  #refusal({ status, code, message: detail, isInterrupted }, { name, size }) {
    if (!isInterrupted) return refusedUpload({ status, code, detail, name, size }, this.#texts);
    const why = failureText({ status, code, detail }, this.#texts);
    return this.#texts.text("recording.interrupted", { name, why });
  }

  /** Send a file, a long one in pieces; resolves to the service's response. */
  async #sendFile(entry) {
    const { file, target, abort } = entry;
    const headers = () => keyHeaders(this.#key());
    const change = (values) => {
      Object.assign(entry, values);
      this.#show();
    };
    const onProgress = (share) => change({ share });
    if (file.size <= LONG) return upload(file, recordingUrl(target.session_id, { ...target, name: file.name }), { headers: headers(), onProgress, signal: abort.signal });
    const onInterrupted = (failure) => {
      const interrupted = failure === null ? "" : failureText(failure, this.#texts);
      if (interrupted !== entry.interrupted) change({ interrupted });
    };
    const { ResumableUpload } = await import("../../models/resumable-upload.js");
    return new ResumableUpload({ file, target, headers, memory: this.#uploads, onProgress, onInterrupted, signal: abort.signal }).run();
  }

  /** Remove an upload that is not complete, here and from the service. */
  async #removeUnfinished(entry) {
    this.#discard(entry);
    this.#uploads.forgetUrl(entry.url);
    // Where that fails, the service removes it after a day.
    const { removeUpload } = await import("../../models/resumable-upload.js");
    await removeUpload(entry.url, { headers: keyHeaders(this.#key()) });
  }

  /** Cancel a recording: before the upload, during it, or while the service transcribes it. */
  async #cancel(entry) {
    if (entry.phase === "waiting") this.#discard(entry);
    else if (entry.phase === "unfinished") this.#removeUnfinished(entry);
    else if (entry.phase === "uploading") entry.abort.abort();
    else if (entry.phase === "reading") {
      entry.phase = "cancelling";
      this.#show();
      try {
        await this.#cancelReading(entry);
      } catch (error) {
        if (entry.phase === "cancelling") entry.phase = "reading";
        // fetch rejects with a TypeError whose message is the browser's.
        const failure = error instanceof TypeError ? { status: 0 } : { status: error.status, code: error.code, detail: error.message };
        this.#onRejected(this.#texts.text("recording.not_cancelled", { name: entry.name, why: failureText(failure, this.#texts) }));
      }
    }
    this.#show();
  }

  async #cancelReading({ session_id, stream_id }) {
    const recordingKey = this.#keys.read(stream_id);
    if (recordingKey === "" && this.#mayCancel() === "owner") {
      await this.#cancelAsOwner(session_id, stream_id);
      return;
    }
    const url = `/api/sessions/${encodeURIComponent(session_id)}/recordings/${encodeURIComponent(stream_id)}`;
    const headers = { ...keyHeaders(this.#key()), ...(recordingKey === "" ? {} : { "X-Recording-Key": recordingKey }) };
    const response = await fetch(url, { method: "DELETE", headers });
    // 404: it has just ended by itself; the socket brings its end.
    if (response.ok || response.status === 404) return;
    const problem = parseProblem(await response.text());
    throw problem === null ? new UploadError(response.status, foreignResponseText(response.status)) : new UploadError(response.status, problem.detail ?? problem.title, problem.code);
  }

  /** Whether this page may cancel it: owners and operators any recording, others those that this tab uploaded. */
  #canCancel({ stream_id }) {
    return stream_id === null || this.#mayCancel() !== null || this.#keys.read(stream_id) !== "";
  }

  #discard(entry) {
    this.#all = this.#all.filter((one) => one !== entry);
  }

  #finish(entry) {
    this.#keys.forget(entry.stream_id);
    this.#sendNext();
    // A recording that has to be opened again stays until the page is left.
    if (entry.isBroken) return;
    this.#after(SHOWN_FOR, () => {
      this.#discard(entry);
      this.#show();
    });
  }

  #show() {
    this.#card.hidden = this.#all.length === 0;
    keyed(this.#list, this.#all, {
      key: ({ key }) => key,
      create: (entry) =>
        h(
          "li",
          { class: "recording" },
          h("span", { class: "recording-name", dir: "auto" }, entry.name),
          h("progress", { "aria-label": entry.name }),
          h("span", { class: "recording-state small muted", dir: "auto", role: "status" }),
          h("button", { type: "button", class: "button button-small", "aria-label": this.#texts.text("recording.cancel", { name: entry.name }), onclick: () => this.#cancel(entry) }, this.#texts.text("page.cancel")),
        ),
      update: (element, entry) => this.#fill(element, entry),
    });
    this.#onChange();
  }

  #fill(element, entry) {
    const [, progress, state, cancel] = element.children;
    const { text, tone, progress: share, canCancel } = recordingState(entry, this.#texts);
    cancel.hidden = !canCancel || !this.#canCancel(entry);
    progress.hidden = share === undefined;
    // Without a value the bar shows activity, but no progress.
    if (share === null) progress.removeAttribute("value");
    else if (share !== undefined) progress.value = share;
    setText(state, text);
    setAttribute(state, "class", `recording-state small ${tone === "warn" ? "is-warn" : "muted"}`);
  }

  #chosen() {
    this.#sendAll([...this.#input.files]);
    this.#input.value = "";
  }

  #drags = [
    ["dragenter", (event) => this.#isFile(event) && this.#hover(event, 1)],
    ["dragleave", (event) => this.#isFile(event) && this.#hover(event, -1)],
    ["dragover", (event) => this.#isFile(event) && event.preventDefault()],
    ["drop", (event) => this.#isFile(event) && this.#dropped(event)],
  ];

  #isFile({ dataTransfer }) {
    return dataTransfer?.types.includes("Files") ?? false;
  }

  #hover(event, step) {
    event.preventDefault();
    this.#dragDepth = Math.max(0, this.#dragDepth + step);
    this.#drop.hidden = this.#dragDepth === 0;
  }

  #dropped(event) {
    event.preventDefault();
    this.#dragDepth = 0;
    this.#drop.hidden = true;
    this.#sendAll([...event.dataTransfer.files]);
  }
}
