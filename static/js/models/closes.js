/**
 * What a client does after a close code. The browser's side of the service's table of close codes.
 *
 * The ranges follow Pusher's: 4000–4099 stop, 4100–4199 back off, 4200–4299 come back at once.
 * The codes of RFC 6455 §7.4 that a browser can be given stand beside them.
 */

const TABLE = new Map([
  [1000, { next: "back_off", words: "The service ended the connection." }],
  [1001, { next: "back_off", words: "The service is going away." }],
  [1002, { next: "back_off", words: "The connection broke the protocol." }],
  [1006, { next: "back_off", words: "The connection was lost." }],
  [1008, { next: "stop", words: "The service refused this connection." }],
  [1009, { next: "back_off", words: "A message was larger than the service takes." }],
  [1011, { next: "back_off", words: "Something failed in the service." }],
  [1012, { next: "back_off", words: "The service is restarting." }],
  [1013, { next: "back_off", words: "The service is too busy." }],
]);

/** What to do after `code`: {next: "stop" | "back_off" | "now", words}. An unknown code backs off. */
export function afterClose(code, reason = "") {
  const known = TABLE.get(code);
  if (known) return { next: known.next, words: reason || known.words };
  if (code >= 4000 && code < 4100) return { next: "stop", words: reason || "The service refused this connection." };
  if (code >= 4200 && code < 4300) return { next: "now", words: reason || "The service asked to connect again." };
  return { next: "back_off", words: reason || "The connection was lost." };
}
