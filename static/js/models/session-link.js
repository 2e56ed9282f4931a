/**
 * Links to a session: `/translation#session=NAME&key=KEY`, with `&role=observer` for a participant who could
 * speak but only reads. The part after the `#` is sent to no server, so keys are in no log and no Referer.
 */

import { isSessionName } from "./session-name.js";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;

/** The session in an address: {session_id, key, role}; `session_id` and `key` are null where it has none. */
export function readLink(href) {
  const url = new URL(href);
  const behind = new URLSearchParams(url.hash.slice(1));
  // Links of versions without keys; on the service's own machine they still lead to their session.
  const from = behind.has("session") ? behind : url.searchParams;
  const key = behind.get("key");
  return {
    session_id: from.get("session") || null,
    key: key !== null && KEY.test(key) ? key : null,
    role: from.get("role") === "observer" ? "observer" : "participant",
  };
}

/** A link to the session at `base`, any address of the service's Translation page. */
export function writeLink(base, { session_id, key = null, role = "participant" }) {
  const url = new URL(base);
  url.search = "";
  const behind = new URLSearchParams({ session: session_id });
  if (key) behind.set("key", key);
  if (role === "observer") behind.set("role", "observer");
  url.hash = behind.toString();
  return url.href;
}

/**
 * The base of links that are copied on the page at `href`, and how far they reach: {base, reach}. `localhost` means
 * another machine elsewhere, so a page opened there uses `publicUrl` if it is known (`reach` "network"), else its
 * links work on this machine alone ("machine"). `reach` "same": links have the page's own address.
 */
export function linkBase(href, publicUrl) {
  const url = new URL(href);
  const name = url.hostname;
  if (name !== "localhost" && !name.endsWith(".localhost") && !/^127(\.\d+){3}$/.test(name) && name !== "[::1]") return { base: href, reach: "same" };
  if (!publicUrl) return { base: href, reach: "machine" };
  return { base: new URL(url.pathname, publicUrl).href, reach: "network" };
}

/** A link as TabSession stores it, {session_id, key, role}; null where the text is not one. */
export function readStoredLink(text) {
  try {
    const { session_id, key, role } = JSON.parse(text);
    if (typeof session_id !== "string" || !isSessionName(session_id)) return null;
    return { session_id, key: typeof key === "string" && KEY.test(key) ? key : null, role: role === "observer" ? "observer" : "participant" };
  } catch {
    return null;
  }
}
