/** Recordings on their way: chosen or dropped, uploaded with progress, read by the service until they are written. */

import { refusedUpload, seconds } from "../../models/translation-words.js";
import { keyHeaders, recordingUrl, upload } from "../../models/upload.js";
import { h, keyed, setAttribute, setText } from "../dom.js";

/** A finished one stays in the list for so long (ms). */
const SHOWN_AFTER = 15_000;
/** A recording may end in silence: written up to so many seconds before its end it is whole. */
const SILENCE = 3;

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
  #all = [];
  #made = 0;
  #dragDepth = 0;

  /**
   * `target()` is {session_id, source, targets} or null; `prepare()` resolves to whether there is a session;
   * `key()` is its key; `onRefused(text)`; `onChange()`.
   */
  constructor({ input, button, drop, card, list, target, prepare, key, onRefused, onChange }) {
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
  }

  /** How many are being uploaded or read. */
  get active() {
    return this.#all.filter(({ phase }) => phase !== "done").length;
  }

  /** Whether the segment is of one of them. */
  owns(id) {
    return this.#all.some(({ stream_id }) => stream_id && id.startsWith(stream_id));
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
    const entry = stream && this.#all.find(({ stream_id }) => stream_id && stream.startsWith(stream_id));
    if (!entry || entry.phase === "done") return;
    if (message.type === "transcript" && message.final) entry.written = Math.max(entry.written, message.end);
    if (message.type === "audio_status") entry.waitingFor = message.waiting_for;
    if (message.type === "audio_ended") {
      entry.lost = message.lost_seconds;
      this.#finish(entry);
    }
    this.#show();
  }

  /** Back after a lost connection: an end that was told meanwhile was missed. Ask whether anything is still read. */
  async check(session_id) {
    const reading = this.#all.filter(({ phase }) => phase === "reading");
    if (reading.length === 0) return;
    const response = await fetch(`/api/sessions/${encodeURIComponent(session_id)}`, { headers: keyHeaders(this.#key()) });
    if (!response.ok || (await response.json()).streams > 0) return;
    for (const entry of reading.filter(({ phase }) => phase === "reading")) {
      entry.isBroken = entry.written < entry.length - SILENCE;
      this.#finish(entry);
    }
    this.#show();
  }

  async #send(file) {
    const target = this.#target() !== null && (await this.#prepare()) ? this.#target() : null;
    if (target === null) {
      this.#onRefused(`${file.name} was not taken: there is no session yet.`);
      return;
    }
    const abort = new AbortController();
    this.#made += 1;
    const entry = { key: this.#made, name: file.name, phase: "uploading", share: 0, written: 0, length: null, stream_id: null, lost: 0, isBroken: false, waitingFor: null, abort };
    this.#all.push(entry);
    this.#show();
    try {
      const url = recordingUrl(target.session_id, { ...target, name: file.name });
      const onProgress = (share) => {
        entry.share = share;
        this.#show();
      };
      const { stream_id, seconds: length } = await upload(file, url, { headers: keyHeaders(this.#key()), onProgress, signal: abort.signal });
      Object.assign(entry, { phase: "reading", stream_id, length });
    } catch (error) {
      this.#all = this.#all.filter((one) => one !== entry);
      if (error.name !== "AbortError") this.#onRefused(refusedUpload({ status: error.status, detail: error.message, name: file.name }));
    }
    this.#show();
  }

  #finish(entry) {
    entry.phase = "done";
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
          h("span", { class: "recording-name" }, entry.name),
          h("progress", { "aria-label": entry.name }),
          h("span", { class: "recording-state small muted", role: "status" }),
          h("button", { type: "button", class: "button button-small", onclick: () => entry.abort.abort() }, "Cancel"),
        ),
      update: (element, entry) => this.#fill(element, entry),
    });
    this.#onChange();
  }

  #fill(element, { phase, share, written, length, lost, isBroken, waitingFor }) {
    const [, progress, state, cancel] = element.children;
    cancel.hidden = phase !== "uploading";
    progress.hidden = phase === "done";
    if (phase === "uploading") {
      progress.value = share;
      // Whole tenths: a status that changes with every packet is read out with every packet.
      setText(state, share >= 1 ? "Uploaded; the service is looking at it" : `Uploading, ${Math.floor(share * 10) * 10} %`);
    } else if (phase === "reading") {
      progress.value = length > 0 ? Math.min(1, written / length) : 0;
      setText(state, `${seconds(written)} of ${seconds(length)} written${waitingFor ? `; waiting for ${waitingFor}` : ""}`);
    } else if (isBroken) {
      setText(state, `Broken off after ${seconds(written)} of ${seconds(length)}. Open it again for the rest.`);
      setAttribute(state, "class", "recording-state small is-warn");
    } else {
      setText(state, lost > 0 ? `Done; ${seconds(lost)} of ${seconds(length)} could not be written` : `Done, ${seconds(length)}`);
      setAttribute(state, "class", lost > 0 ? "recording-state small is-warn" : "recording-state small muted");
    }
  }

  #choose = () => this.choose();

  #chosen = () => {
    for (const file of this.#input.files) this.#send(file);
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
    for (const file of event.dataTransfer.files) this.#send(file);
  }
}
