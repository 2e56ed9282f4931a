/** What the page says about the kinds of sound: "microphone", "shared" (a tab or the system) and "both". Pure. */

/** A level in percent, as its control has it, as a factor. */
export function gainOf(percent) {
  const value = Number(percent);
  return Number.isFinite(value) ? Math.min(2, Math.max(0, value / 100)) : 1;
}

const WORDS = {
  microphone: { start: "Start microphone", stop: "Stop microphone" },
  shared: { start: "Share sound", stop: "Stop sharing" },
  both: { start: "Start both", stop: "Stop both" },
};

/** The words of the button that starts and stops capturing: {start, stop}. */
export function soundWords(kind) {
  return WORDS[kind];
}

/** What has to be known about a choice before it is started, or "". */
export function soundNote({ kind, isAvailable, isKnownToShareSound }) {
  if (!isAvailable) return "This browser cannot share the sound of a tab or the system: Chrome and Edge on a computer can.";
  if (kind === "microphone") return "";
  if (!isKnownToShareSound) return "This browser may share pictures only, as Firefox and Safari do. Use Chrome or Edge on a computer, or a virtual microphone that the system plays into.";
  const how = "The browser asks what to share: choose a tab, with “Also share tab audio” on. Its picture is not sent.";
  return kind === "both" ? `${how} Use headphones, or the microphone hears it a second time.` : how;
}

/** The sentence about what is captured, by its state: "paused", "stalled", "silent", "not received" or "fine". */
const SENTENCES = {
  microphone: {
    paused: "Paused: the microphone is open, and nothing that is said is sent.",
    stalled: "The microphone is open, but delivers no sound.",
    silent: "The microphone delivers silence. Is it muted?",
    "not received": "The microphone is open; the service is not receiving yet.",
    fine: "Listening.",
  },
  shared: {
    paused: "Paused: the sound is still shared with this page, and nothing of it is sent.",
    stalled: "The sound is shared, but does not arrive.",
    silent: "The shared sound is silent. Is something playing there?",
    "not received": "The sound is shared; the service is not receiving yet.",
    fine: "Listening to the shared sound.",
  },
  both: {
    paused: "Paused: the microphone and the shared sound are open, and nothing of them is sent.",
    stalled: "The microphone and the shared sound are open, but deliver nothing.",
    silent: "The microphone and the shared sound are silent. Is the microphone muted?",
    "not received": "The microphone and the shared sound are open; the service is not receiving yet.",
    fine: "Listening to the microphone and the shared sound.",
  },
};

export function captureSentence(kind, state) {
  return SENTENCES[kind][state];
}

const OPENING = {
  microphone: "Opening the microphone.",
  shared: "Waiting for what the browser asks: what to share.",
  both: "Waiting for what the browser asks: what to share, and the microphone.",
};

/** The sentence while it is being opened. */
export function openingSentence(kind) {
  return OPENING[kind];
}

/** What stands in place of an empty transcript while sound is captured: {title, text}. */
export function nothingCaptured(kind, state) {
  if (state === "paused") return { title: "Paused", text: "Nothing that is said is sent. Resume to go on speaking." };
  if (state === "stalled") return { title: "No sound", text: `${captureSentence(kind, "stalled")} It is being opened again.` };
  if (state === "silent" && kind === "shared") return { title: "No sound from what is shared", text: "Play something there, and look whether the tab or its player is muted." };
  if (state === "silent") return { title: kind === "both" ? "No sound" : "No sound from the microphone", text: `${captureSentence(kind, "silent")} There is a key for it on many headsets, and a switch in the system's sound settings.` };
  if (kind === "shared") return { title: "Listening", text: "What is said in the shared sound appears here, with its translation beside it." };
  return { title: "Listening", text: "Speak. What you say appears here, with its translation beside it." };
}
