/** Short codes to join a session, in an address: `/join#K7M4QX`. The service decides what is one. Pure. */

/** Longer texts than this are no codes. */
const LONGEST = 64;

/** The code in the address of the Join page, or "". */
export function codeInAddress(href) {
  const { hash } = new URL(href);
  try {
    const text = decodeURIComponent(hash.slice(1)).trim();
    return text.length <= LONGEST ? text : "";
  } catch {
    return ""; // a stray % in the address
  }
}

/** The address to show beside a code: "host/join", without the scheme, as it is typed. */
export function joinAddress(base) {
  return `${new URL(base).host}/join`;
}

/** "valid until 21:40", in the reader's time and the language of `texts`; `expires` in seconds since the epoch, `now` too. */
export function validity(expires, now, texts) {
  if (expires <= now) return texts.text("invite.expired");
  // As the times in the transcript: of 24 hours, in every language.
  const time = new Date(expires * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return texts.text("invite.until", { time });
}
