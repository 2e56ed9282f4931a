/**
 * What a client does after a close code: the browser's side of orch/protocol/closes.py, which a test compares.
 *
 * The service's own codes follow Pusher's ranges: 4000–4099 stop, 4100–4199 back off, 4200–4299 come back at once.
 */

const TABLE = new Map([
  [1000, { next: "back_off", words: "The connection was closed." }],
  [1001, { next: "back_off", words: "The service is stopping." }],
  [1003, { next: "stop", words: "This type of frame is not supported." }],
  [1007, { next: "back_off", words: "A text message was not valid UTF-8." }],
  [1008, { next: "stop", words: "The service refused this connection." }],
  [1009, { next: "back_off", words: "A message can have 1 MiB at most." }],
  [1011, { next: "back_off", words: "The service had an internal error." }],
  [1012, { next: "back_off", words: "The service is restarting." }],
  [1013, { next: "back_off", words: "The service is too busy." }],
  [4000, { next: "stop", words: "Pages of this origin may not use the service." }],
  [4001, { next: "stop", words: "An operator closed the connection." }],
  [4002, { next: "stop", words: "You signed out. Sign in again to go on." }],
  [4003, { next: "stop", words: "The host removed you from the session." }],
  [4100, { next: "back_off", words: "The connection limit has been reached." }],
  [4101, { next: "back_off", words: "Too many messages were sent in a short time." }],
  [4102, { next: "back_off", words: "The connection limit of this address has been reached." }],
  [4200, { next: "now", words: "The client read too slowly." }],
  [4201, { next: "now", words: "The client stopped responding." }],
  [4202, { next: "now", words: "The service is stopping." }],
]);

/** What to do after `code`: {next: "stop" | "back_off" | "now", words}. One that nobody knows: back off. */
export function afterClose(code, reason = "") {
  const known = TABLE.get(code);
  if (known) return { next: known.next, words: reason || known.words };
  if (code >= 4000 && code < 4100) return { next: "stop", words: reason || "The service refused this connection." };
  if (code >= 4200 && code < 4300) return { next: "now", words: reason || "The service asked to connect again." };
  return { next: "back_off", words: reason || "The connection was lost." };
}
