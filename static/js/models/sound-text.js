/** What the page says about the kinds of sound: "microphone", "shared" (a tab or the system) and "both". Pure. */

/** A level in percent, as its control has it, as a factor. */
export function gainOf(percent) {
  const value = Number(percent);
  return Number.isFinite(value) ? Math.min(2, Math.max(0, value / 100)) : 1;
}

const BUTTONS = {
  microphone: { start: "microphone.start", stop: "microphone.stop" },
  shared: { start: "sound.share", stop: "sound.stop_sharing" },
  both: { start: "sound.start_both", stop: "sound.stop_both" },
};

/** The words of the button that starts and stops capturing: {start, stop}. */
export function soundWords(kind, texts) {
  const { start, stop } = BUTTONS[kind];
  return { start: texts.text(start), stop: texts.text(stop) };
}

/** What has to be known about a choice before it is started, or "". */
export function soundNote({ kind, isAvailable, isKnownToShareSound }, texts) {
  if (!isAvailable) return texts.text("sound.cannot_share");
  if (kind === "microphone") return "";
  if (!isKnownToShareSound) return texts.text("sound.pictures_only");
  return texts.sentences(texts.text("sound.how"), kind === "both" ? texts.text("sound.headphones") : "");
}

/** The sentence about what is captured, by its state: "paused", "stalled", "silent", "not received" or "fine". */
const SENTENCES = {
  microphone: {
    paused: "status.paused",
    stalled: "status.stalled",
    silent: "status.silent",
    "not received": "status.not_receiving",
    fine: "status.listening",
  },
  shared: {
    paused: "sound.shared_paused",
    stalled: "sound.shared_stalled",
    silent: "sound.shared_silent",
    "not received": "sound.shared_not_received",
    fine: "sound.shared_fine",
  },
  both: {
    paused: "sound.both_paused",
    stalled: "sound.both_stalled",
    silent: "sound.both_silent",
    "not received": "sound.both_not_received",
    fine: "sound.both_fine",
  },
};

export function captureSentence(kind, state, texts) {
  return texts.text(SENTENCES[kind][state]);
}

const OPENING = { microphone: "status.opening_microphone", shared: "sound.opening_shared", both: "sound.opening_both" };

/** The sentence while it is being opened. */
export function openingSentence(kind, texts) {
  return texts.text(OPENING[kind]);
}

/** What stands in place of an empty transcript while sound is captured: {title, text}. */
export function nothingCaptured(kind, state, texts) {
  const of = (title, ...parts) => ({ title: texts.text(title), text: texts.sentences(...parts) });
  if (state === "paused") return of("talk.paused_title", texts.text("talk.paused_text"));
  if (state === "stalled") return of("talk.no_sound_title", captureSentence(kind, "stalled", texts), texts.text("sound.again"));
  if (state === "silent" && kind === "shared") return of("sound.shared_silent_title", texts.text("sound.shared_silent_text"));
  if (state === "silent") return of(kind === "both" ? "talk.no_sound_title" : "talk.silent_title", captureSentence(kind, "silent", texts), texts.text("sound.mute_key"));
  return of("talk.listening_title", texts.text(kind === "shared" ? "sound.shared_listening" : "talk.listening_text"));
}
