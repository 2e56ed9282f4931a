/**
 * The sound of a tab, a window or the whole system, which the browser asks the person to choose (`getDisplayMedia`).
 *
 * Browsers share sound only together with a picture: the picture is stopped at once, and never leaves the browser.
 * What is shared stays audible for the person who shares it.
 *
 * Event: `ended` detail: SoundError; the tab was closed, or sharing was stopped in the browser.
 */

import { noSharing, sharedNothing, sharingEnded, sharingRefusal } from "./sound-errors.js";

/** As for the microphone: processing makes speech harder to transcribe. */
const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, suppressLocalAudioPlayback: false, restrictOwnAudio: true };

export class SharedSound extends EventTarget {
  #mediaDevices;
  #stream = null;
  /** The request that is under way; another object once it is no longer wanted. */
  #request = null;

  constructor({ mediaDevices = globalThis.navigator?.mediaDevices } = {}) {
    super();
    this.#mediaDevices = mediaDevices;
  }

  /** The MediaStream with the sound alone, or null where nothing is shared. */
  get stream() {
    return this.#stream;
  }

  /** The SoundError where this browser cannot share at all, or null. */
  get unavailable() {
    return this.#mediaDevices?.getDisplayMedia ? null : noSharing();
  }

  /** Whether this browser is known to share sound: Firefox and Safari share pictures only. */
  get isKnownToShareSound() {
    return this.unavailable === null && "suppressLocalAudioPlayback" in (this.#mediaDevices.getSupportedConstraints?.() ?? {});
  }

  /**
   * Ask what to share, unless something is shared already. Browsers allow that only right after a click or a key.
   * Resolves to whether it is shared: false where `close` was called meanwhile. Rejects with SoundError.
   */
  async open() {
    if (this.#stream !== null) return true;
    if (this.unavailable) throw this.unavailable;
    const request = (this.#request = {});
    let chosen;
    try {
      chosen = await this.#mediaDevices.getDisplayMedia({ video: true, audio: AUDIO, systemAudio: "include", surfaceSwitching: "include", selfBrowserSurface: "exclude" });
    } catch (error) {
      throw sharingRefusal(error);
    }
    for (const track of chosen.getVideoTracks()) {
      track.stop();
      chosen.removeTrack(track);
    }
    if (request !== this.#request) {
      stopTracks(chosen);
      return false;
    }
    const [track] = chosen.getAudioTracks();
    if (track === undefined) throw sharedNothing({ isKnownToShareSound: this.isKnownToShareSound });
    this.#stream = chosen;
    track.addEventListener("ended", () => this.#ended(chosen));
    return true;
  }

  /** Stop sharing. May be called at any time. */
  close() {
    this.#request = null;
    if (this.#stream !== null) stopTracks(this.#stream);
    this.#stream = null;
  }

  #ended(stream) {
    if (stream !== this.#stream) return;
    this.close();
    this.dispatchEvent(new CustomEvent("ended", { detail: sharingEnded() }));
  }
}

function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}
