/**
 * Links to a session: `/translation#session=NAME&key=KEY`, with `&role=observer` for one who could speak and only
 * reads. What stands behind the `#` is sent to no server and no other site, so keys are in no log and no Referer.
 */

import { isSessionName } from "./session-name.js";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;

/** What an address leads to: {session_id, key, role}; `session_id` and `key` are null where it names none. */
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
 * Where links lead that are copied on the page at `href`: {base, reach}. A page that was opened as localhost names
 * an address that is every machine's own, so its links lead to `publicUrl` where that is known (`reach` "network").
 * Where it is not, they work on this machine alone ("machine"). `reach` "same": as the page was opened.
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
