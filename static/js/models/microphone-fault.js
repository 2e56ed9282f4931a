/** Why a microphone cannot be measured, in words, by the name of the error. Pure. */

const FAULTS = {
  NotAllowedError: ["The browser refused the microphone.", "Allow it for this page in the address bar, then open it again."],
  SecurityError: ["The browser forbids the microphone on this page.", "Open the page in a window of its own."],
  NotFoundError: ["There is no microphone.", "Connect one, then open it again."],
  NotReadableError: ["The microphone is used by another program, or failed.", "Close the other program, then open it again."],
  AbortError: ["The microphone did not start.", "Open it again."],
  NoMicrophones: ["This browser gives pages no microphone.", "Choose a file, or use another browser."],
  NoWorklets: ["This browser has no AudioWorklet, which the microphone needs.", "Choose a file, or use another browser."],
  Insecure: ["Browsers give microphones to secure pages only.", "Open the page over HTTPS or on localhost, or choose a file."],
};

/** {text, more}: what happened, and what to do. */
export function microphoneFault({ name, message }) {
  const [text, more] = FAULTS[name] ?? [`The microphone cannot be opened: ${message || name}.`, "Open it again, or choose a file."];
  return { text, more };
}
