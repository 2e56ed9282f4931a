/** Why a page has no sound to send, as texts of the catalogues. Pure. */

/** Why there is no sound, and what to do: `code`, and `text` and `action` as texts {key, values}. */
export class SoundError extends Error {
  constructor(code, text, action) {
    super(`${code}: ${text.key}`);
    this.name = "SoundError";
    this.code = code;
    this.text = text;
    this.action = action;
  }
}

/** A text of the catalogues: {key, values}. */
export const textOf = (key, values = {}) => ({ key, values });

const errorOf = ([code, text, action]) => new SoundError(code, textOf(text), textOf(action));

/** [code, text, action] for each name of a DOMException of getUserMedia. */
const REFUSALS = {
  NotAllowedError: ["denied", "microphone.denied", "microphone.denied_do"],
  SecurityError: ["denied", "microphone.forbidden", "microphone.forbidden_do"],
  NotFoundError: ["no_device", "microphone.no_device", "microphone.no_device_do"],
  OverconstrainedError: ["device_gone", "microphone.device_gone", "microphone.device_gone_do"],
  NotReadableError: ["busy", "microphone.busy", "microphone.busy_do"],
  AbortError: ["busy", "microphone.aborted", "microphone.aborted_do"],
};

/** The SoundError for a rejected getUserMedia. */
export function refusal(error) {
  const known = REFUSALS[error.name];
  if (known) return errorOf(known);
  return new SoundError("failed", textOf("microphone.failed", { why: error.message || error.name }), textOf("microphone.failed_do"));
}

/** The SoundError where a page can have no microphone at all, or null. */
export function unavailable({ isSecureContext, mediaDevices, host }) {
  if (mediaDevices?.getUserMedia) return null;
  if (!isSecureContext) return new SoundError("insecure", textOf("microphone.insecure", { address: `http://${host}` }), textOf("microphone.insecure_do"));
  return errorOf(["unsupported", "microphone.unsupported", "microphone.unsupported_do"]);
}

/** The SoundError where the browser cannot share what it plays: on phones, and on pages that are not secure. */
export function noSharing() {
  return errorOf(["sharing_unsupported", "sound.sharing_unsupported", "sound.sharing_unsupported_do"]);
}

/** The SoundError for what was shared without sound. */
export function sharedNothing({ isKnownToShareSound }) {
  if (isKnownToShareSound) return errorOf(["shared_silence", "sound.shared_without", "sound.shared_without_do"]);
  return errorOf(["shared_silence", "sound.shared_pictures", "sound.shared_pictures_do"]);
}

const SHARING_REFUSALS = {
  NotAllowedError: ["sharing_denied", "sound.denied", "sound.denied_do"],
  NotFoundError: ["sharing_denied", "sound.nothing_there", "sound.nothing_there_do"],
  NotReadableError: ["sharing_denied", "sound.forbidden", "sound.forbidden_do"],
  InvalidStateError: ["sharing_denied", "sound.after_click", "sound.after_click_do"],
};

/** The SoundError for a rejected getDisplayMedia. */
export function sharingRefusal(error) {
  const known = SHARING_REFUSALS[error.name];
  if (known) return errorOf(known);
  return new SoundError("failed", textOf("sound.failed", { why: error.message || error.name }), textOf("sound.failed_do"));
}

/** The SoundError where shared sound has ended. */
export function sharingEnded() {
  return errorOf(["shared_ended", "sound.ended", "sound.ended_do"]);
}

const STALLS = {
  shared: ["stalled", "sound.shared_stopped", "sound.shared_stopped_do"],
  stalled: ["stalled", "microphone.stalled", "microphone.stalled_do"],
  muted: ["muted", "microphone.muted", "microphone.muted_do"],
};

/** The SoundError for an open input that delivers nothing: "stalled" or "muted"; without a microphone it is shared sound. */
export function stall(code, { usesMicrophone }) {
  return errorOf(STALLS[usesMicrophone ? code : "shared"]);
}

/** The SoundError for a microphone that was disconnected; `label` is "" where the browser does not name it. */
export function disconnected(label) {
  const text = label ? textOf("microphone.lost", { label }) : textOf("microphone.lost_unnamed");
  return new SoundError("lost", text, textOf("microphone.aborted_do"));
}
