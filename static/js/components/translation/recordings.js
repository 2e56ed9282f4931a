/**
 * Recordings on their way: chosen or dropped, uploaded with progress, read by the service until they are written;
 * and those that are read in the session already, sent before a reload or by somebody else.
 */

import { foreignResponseText, parseProblem } from "../../models/responses.js";
import { streamOf } from "../../models/exports.js";
import { RecordingKeys } from "../../models/recording-keys.js";
import { ended, entryOf, found, recordingState } from "../../models/recording-text.js";
import { refusedUpload } from "../../models/translation-text.js";
import { keyHeaders, recordingUrl, upload } from "../../models/upload.js";
import { h, keyed, setAttribute, setText } from "../dom.js";

/** A finished one stays in the list for so long (ms). */
const SHOWN_AFTER = 15_000;
/** A recording may end in silence: written up to so many seconds before its end it is whole. */
const SILENCE = 3;
/** Sent and read at a time; further ones wait here for their turn. */
const AT_A_TIME = 2;
/** A history may have lines of many recordings: what of it is still read is asked once, after so long (ms). */
const LOOK_AFTER = 500;
const OVER = new Set(["done", "cancelled"]);

/** Whether a name is a stream's own, or that of one of its segments. */
const isOf = (id, stream_id) => id === stream_id || id.startsWith(`${stream_id}-`);

export class Recordings {
  #input;
  #button;
  #drop;
  #card;
  #list;
  #target;
  #prepare;
  #key;
  #onRefused;
  #onChange;
  #mayCancel;
  #cancelAsOwner;
  #keys;
  #all = [];
  #made = 0;
  /** stream -> how far it is written, of the recordings that were not sent from here. */
  #written = new Map();
  #lookTimer = null;
  #dragDepth = 0;

  /**
   * `target()` is {session_id, source, targets} or null; `prepare()` resolves to whether there is a session;
   * `key()` is its key; `onRefused(text)`; `onChange()`. `mayCancel()`: any recording in the session;
   * `cancelAsOwner(session_id, stream_id)` does so over the socket. `storage` has the keys of this tab's own.
   */
  constructor({ input, button, drop, card, list, target, prepare, key, onRefused, onChange, mayCancel, cancelAsOwner, storage }) {
    this.#input = input;
    this.#button = button;
    this.#drop = drop;
    this.#card = card;
    this.#list = list;
    this.#target = target;
    this.#prepare = prepare;
    this.#key = key;
    this.#onRefused = onRefused;
    this.#onChange = onChange;
    this.#mayCancel = mayCancel;
    this.#cancelAsOwner = cancelAsOwner;
    this.#keys = new RecordingKeys(storage);
  }

  /** How many are being uploaded or read. */
  get active() {
    return this.#all.filter(({ phase }) => !OVER.has(phase)).length;
  }

  /** Whether the segment is of one of those that are shown. */
  owns(id) {
    return this.#all.some(({ stream_id }) => stream_id && isOf(id, stream_id));
  }

  start() {
    this.#button.addEventListener("click", this.#choose);
    this.#input.addEventListener("change", this.#chosen);
    for (const [name, listener] of this.#drags) addEventListener(name, listener);
  }

  stop() {
    this.#button.removeEventListener("click", this.#choose);
    this.#input.removeEventListener("change", this.#chosen);
    for (const [name, listener] of this.#drags) removeEventListener(name, listener);
  }

  choose() {
    this.#input.click();
  }

  /** A session message: captions and the end of a stream say how far the service is. */
  hear(message) {
    const stream = message.stream_id ?? message.segment_id;
    const entry = stream && this.#all.find(({ stream_id }) => stream_id && isOf(stream, stream_id));
    if (stream && !entry && message.type === "transcript" && message.recording) this.#passed(streamOf(stream), message);
    if (!entry || OVER.has(entry.phase)) return;
    if (message.type === "transcript" && message.final) entry.written = Math.max(entry.written, message.end);
    if (message.type === "audio_status") entry.waitingFor = message.waiting_for;
    if (message.type === "error") entry.problem = message.detail;
    if (message.type === "audio_ended") {
      Object.assign(entry, ended(entry, message));
      this.#finish(entry);
    }
    this.#show();
  }

  /** A line of a recording that is not shown here: somebody else has sent it. Of each it is asked once. */
  #passed(stream_id, { session_id, final, end }) {
    const isKnown = this.#written.has(stream_id);
    this.#written.set(stream_id, Math.max(this.#written.get(stream_id) ?? 0, final ? end : 0));
    if (isKnown) return;
    this.#lookTimer ??= setTimeout(() => {
      this.#lookTimer = null;
      // Without an answer it is not shown until the next one, or until the connection is new.
      this.check(session_id).catch(() => this.#written.delete(stream_id));
    }, LOOK_AFTER);
  }

  /** In the session (again): what is read in it now is shown, and what ended meanwhile has ended. */
  async check(session_id) {
    const response = await fetch(`/api/sessions/${encodeURIComponent(session_id)}/recordings`, { headers: keyHeaders(this.#key()) });
    // 404: the session is begun with the first word.
    if (response.status === 404) return;
    if (!response.ok) throw new Error(foreignResponseText(response.status));
    const { recordings } = await response.json();
    const now = new Set(recordings.map(({ stream_id }) => stream_id));
    // Those of another session that this tab was in are shown there.
    this.#all = this.#all.filter((entry) => !entry.isFound || entry.session_id === session_id);
    for (const entry of this.#all) {
      if (entry.session_id !== session_id || (entry.phase !== "reading" && entry.phase !== "cancelling") || now.has(entry.stream_id)) continue;
      entry.phase = "done";
      // Without a length nobody knows whether it was read to its end.
      entry.isBroken = entry.length === null || entry.written < entry.length - SILENCE;
      this.#finish(entry);
    }
    for (const recording of recordings) {
      if (this.#all.some(({ stream_id }) => stream_id === recording.stream_id)) continue;
      this.#made += 1;
      const written = this.#written.get(recording.stream_id) ?? 0;
      this.#all.push({ ...found(recording), written, key: this.#made, session_id, file: null, target: null, abort: null });
    }
    this.#show();
  }

  /** One after the other: the first one may have to begin the session that the next ones go to. */
  async #sendAll(files) {
    for (const file of files) await this.#send(file);
  }

  async #send(file) {
    const target = this.#target() !== null && (await this.#prepare()) ? this.#target() : null;
    if (target === null) {
      this.#onRefused(`${file.name} was not taken: there is no session yet.`);
      return;
    }
    this.#made += 1;
    const entry = { ...entryOf(file.name), key: this.#made, file, target, abort: new AbortController() };
    this.#all.push(entry);
    this.#sendNext();
    this.#show();
  }

  /** Upload those whose turn it is. */
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
    const { file, target, abort } = entry;
    entry.phase = "uploading";
    try {
      const url = recordingUrl(target.session_id, { ...target, name: file.name });
      const onProgress = (share) => {
        entry.share = share;
        this.#show();
      };
      const { stream_id, recording_key, seconds: length, tracks, track } = await upload(file, url, { headers: keyHeaders(this.#key()), onProgress, signal: abort.signal });
      this.#keys.write(stream_id, recording_key ?? "");
      // It may have been seen among those that are read before the answer came.
      this.#all = this.#all.filter((one) => one === entry || one.stream_id !== stream_id);
      Object.assign(entry, { phase: "reading", session_id: target.session_id, stream_id, length: length ?? null, tracks: tracks ?? null, track: track ?? null });
    } catch (error) {
      this.#discard(entry);
      if (error.name !== "AbortError") this.#onRefused(refusedUpload({ status: error.status, code: error.code, detail: error.message, name: file.name, size: file.size }));
    }
    this.#sendNext();
    this.#show();
  }

  /** Take it back: before it is sent, while it is sent, or while the service reads it. */
  async #cancel(entry) {
    if (entry.phase === "waiting") this.#discard(entry);
    else if (entry.phase === "uploading") entry.abort.abort();
    else if (entry.phase === "reading") {
      entry.phase = "cancelling";
      this.#show();
      try {
        await this.#cancelReading(entry);
      } catch (error) {
        if (entry.phase === "cancelling") entry.phase = "reading";
        // fetch rejects with a TypeError in words of the browser's own.
        const why = error instanceof TypeError ? "The service cannot be reached." : error.message;
        this.#onRefused(`${entry.name} was not cancelled: ${why}`);
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
    // 404: it has ended by itself meanwhile, which is told over the socket.
    if (response.ok || response.status === 404) return;
    const problem = parseProblem(await response.text());
    throw new Error(problem === null ? foreignResponseText(response.status) : (problem.detail ?? problem.title));
  }

  /** Whether this page may cancel it: any as owner or operator, else those that this tab sent. */
  #canCancel({ stream_id }) {
    return stream_id === null || this.#mayCancel() !== null || this.#keys.read(stream_id) !== "";
  }

  #discard(entry) {
    this.#all = this.#all.filter((one) => one !== entry);
  }

  #finish(entry) {
    this.#keys.forget(entry.stream_id);
    this.#sendNext();
    // One that has to be opened again stays until the page goes.
    if (entry.isBroken) return;
    setTimeout(() => {
      this.#all = this.#all.filter((one) => one !== entry);
      this.#show();
    }, SHOWN_AFTER);
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
          h("button", { type: "button", class: "button button-small", "aria-label": `Cancel ${entry.name}`, onclick: () => this.#cancel(entry) }, "Cancel"),
        ),
      update: (element, entry) => this.#fill(element, entry),
    });
    this.#onChange();
  }

  #fill(element, entry) {
    const [, progress, state, cancel] = element.children;
    const { text, tone, progress: share, canCancel } = recordingState(entry);
    cancel.hidden = !canCancel || !this.#canCancel(entry);
    progress.hidden = share === undefined;
    // Without a value the bar says that something is under way, and not how much.
    if (share === null) progress.removeAttribute("value");
    else if (share !== undefined) progress.value = share;
    setText(state, text);
    setAttribute(state, "class", `recording-state small ${tone === "warn" ? "is-warn" : "muted"}`);
  }

  #choose = () => this.choose();

  #chosen = () => {
    this.#sendAll([...this.#input.files]);
    this.#input.value = "";
  };

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
