/** The names of the people who share a microphone. Pure. The same in Python: orch/speech/speaker_names.py. */

/** The label of a line whose speaker is unsure. */
export const UNSURE = "?";

const NUMBER = /^(?:speaker[ _-]?)?0*(\d{1,4})(?![A-Za-z0-9])/i;

/** How a label is shown: the name given to it, else "Speaker 2" or "Speaker ?" in the language of `texts`; a label without a number as it is. */
export function speakerName(label, given, texts) {
  if (label === UNSURE) return texts.text("speaker.unsure");
  if (given) return given;
  const number = NUMBER.exec(label);
  return number === null ? label : texts.text("speaker.numbered", { number: Number(number[1]) });
}
