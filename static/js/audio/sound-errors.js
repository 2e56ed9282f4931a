/** Why a page has no sound to send, in words. Pure. */

/** Why there is no sound, and what to do: `code`, `message`, `action`. */
export class SoundError extends Error {
  constructor(code, message, action) {
    super(message);
    this.name = "SoundError";
    this.code = code;
    this.action = action;
  }
}

/** [code, message, action] for each name of a DOMException of getUserMedia. */
const REFUSALS = {
  NotAllowedError: ["denied", "The browser does not let this page use the microphone.", "Allow it in the browser's address bar or its site settings, then start again."],
  SecurityError: ["denied", "The browser's settings forbid microphones on this page.", "Allow it in the browser's site settings, then start again."],
  NotFoundError: ["no_device", "No microphone was found.", "Plug one in or turn it on in the system's sound settings, then start again."],
  OverconstrainedError: ["device_gone", "The chosen microphone is no longer connected.", "Choose another one, or plug it in again."],
  NotReadableError: ["busy", "The microphone could not be opened; another program may be using it.", "Close the other program or choose another microphone, then start again."],
  AbortError: ["busy", "The microphone could not be opened.", "Plug it in again or choose another one, then start again."],
};

/** The SoundError for a rejected getUserMedia. */
export function refusal(error) {
  const known = REFUSALS[error.name];
  if (known) return new SoundError(...known);
  return new SoundError("failed", `The microphone could not be opened: ${error.message || error.name}.`, "Start again, or choose another microphone.");
}

/** The SoundError where a page can have no microphone at all, or null. */
export function unavailable({ isSecureContext, mediaDevices, host }) {
  if (mediaDevices?.getUserMedia) return null;
  if (!isSecureContext) {
    return new SoundError(
      "insecure",
      `Browsers give the microphone only to pages from https:// or from this machine; this one came from http://${host}.`,
      "Open it at http://localhost on the machine it runs on, or have it served over https. A recording can be opened without a microphone.",
    );
  }
  return new SoundError("unsupported", "This browser has no access to microphones.", "Use a current Firefox, Chrome, Edge or Safari. A recording can be opened without a microphone.");
}

/** The SoundError where the browser cannot share what it plays: on phones, and on pages that are not secure. */
export function noSharing() {
  return new SoundError("sharing_unsupported", "This browser cannot share the sound of a tab or the system.", "Use Chrome or Edge on a computer, at https:// or at localhost. Until then, use the microphone.");
}

/** The SoundError for what was shared without sound. */
export function sharedNothing({ isKnownToShareSound }) {
  if (isKnownToShareSound) {
    return new SoundError("shared_silence", "What you shared has no sound.", "Start again, choose a tab and turn on “Also share tab audio”. Windows have no sound to share; whole screens have it only on some systems.");
  }
  return new SoundError("shared_silence", "This browser shares pictures only, without their sound, as Firefox and Safari do.", "Use Chrome or Edge on a computer; or have the system play into a virtual microphone, and choose that one here.");
}

const SHARING_REFUSALS = {
  NotAllowedError: ["sharing_denied", "Nothing was shared: it was cancelled, or the browser or the system forbids it.", "Start again and choose a tab. On a Mac, allow the browser under Screen Recording in the system's settings."],
  NotFoundError: ["sharing_denied", "There is nothing that could be shared.", "Open the tab whose sound is wanted, then start again."],
  NotReadableError: ["sharing_denied", "The system does not let the browser share what it plays.", "Allow the browser in the system's privacy settings, or share a single tab."],
  InvalidStateError: ["sharing_denied", "Browsers share only right after a click.", "Start again with the button."],
};

/** The SoundError for a rejected getDisplayMedia. */
export function sharingRefusal(error) {
  const known = SHARING_REFUSALS[error.name];
  if (known) return new SoundError(...known);
  return new SoundError("failed", `The sound could not be shared: ${error.message || error.name}.`, "Start again, or use the microphone.");
}
