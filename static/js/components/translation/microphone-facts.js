/** The facts about an open microphone: whether speech arrives, what waits, and what the browser granted. */

import { RATE } from "../../audio/kernels/rate.js";
import { waitsFor } from "../../models/translation-text.js";
import { byId, setAttribute, setText } from "../dom.js";

/** Unacknowledged speech of less than this many seconds is normal, and not shown as waiting for the connection. */
const IN_FLIGHT = 2;
/** A processing as granted (audio/sound-input.js). */
const GRANTED = { on: "microphone.is_on", off: "microphone.is_off", "not said": "microphone.not_said" };

export class MicrophoneFacts {
  #texts;

  constructor({ texts }) {
    this.#texts = texts;
  }

  /**
   * Speech waits first for the service's acknowledgement, then for its back ends. `status`: the stream's last
   * `audio_status`, or null; `uplink`: the Uplink.
   */
  show({ status, uplink, isStalled, isPaused }) {
    const texts = this.#texts;
    const { state, waiting, isUnresponsive } = uplink;
    const isReceived = state === "streaming" && !isUnresponsive && !isStalled;
    if (isPaused) setText(byId("fact-speech"), texts.text("microphone.is_paused"));
    else setText(byId("fact-speech"), isReceived ? texts.text(status?.speaking ? "microphone.now" : "microphone.none") : "–");
    if (isStalled) setText(byId("fact-level"), texts.text("microphone.no_sound"));
    if (waiting >= IN_FLIGHT || isUnresponsive) this.#showWaiting(waiting, texts.text("status.for_connection"));
    else if (isReceived && status?.waiting_for) this.#showWaiting(status.waiting_seconds, waitsFor(status.waiting_for, texts));
    else this.#showWaiting(isReceived ? (status?.waiting_seconds ?? 0) : waiting, "");
  }

  #showWaiting(waiting, what) {
    const text = waiting < 0.5 ? this.#texts.text("microphone.nothing") : this.#texts.seconds(waiting);
    setText(byId("fact-waiting"), waiting < 0.5 || what === "" ? text : `${text}, ${what}`);
  }

  /** What the browser granted (SoundInput.start); without a microphone there is nothing to grant. */
  showGranted({ echoCancellation, noiseSuppression, autoGainControl, label, contextRate }, { usesMicrophone }) {
    const texts = this.#texts;
    for (const [id, value] of [["fact-echo", echoCancellation], ["fact-noise", noiseSuppression], ["fact-gain", autoGainControl]]) {
      setText(byId(id), usesMicrophone ? texts.text(GRANTED[value]) : "–");
      setAttribute(byId(id), "class", value === "on" ? "is-warn" : null);
    }
    setText(byId("microphone-note"), contextRate === RATE ? "" : texts.text("microphone.rate", { rate: contextRate / 1000 }));
    setAttribute(byId("microphone-note"), "title", label);
  }
}
