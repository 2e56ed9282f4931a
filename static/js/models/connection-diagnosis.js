/**
 * Why a live connection fails. Pure. A browser does not say why a handshake failed, so the page sends HTTP requests:
 * `/livez` shows whether the service runs, `/ws` whether it accepts connections (426: it would accept a WebSocket).
 */

import { foreignResponse, foreignResponseText, parseObject, parseProblem } from "./responses.js";

const ACCEPTS_SOCKETS = "upgrade_required";

/**
 * `alive` and `socket`: the responses {status, text} of `/livez` and `/ws`, or null without one. Returns {kind, …}:
 * "unreachable"; "proxy" {status}: something else responds in the service's place; "service" {detail}: it accepts no
 * connections now; "between": it accepts them, and something in between rejects the WebSocket.
 */
export function diagnose({ alive, socket }) {
  if (alive === null) return { kind: "unreachable" };
  if (parseObject(alive.text)?.status !== "alive") return { kind: "proxy", status: alive.status };
  const problem = socket === null ? null : parseProblem(socket.text);
  if (problem === null || problem.code === ACCEPTS_SOCKETS) return { kind: "between" };
  return { kind: "service", detail: problem.detail ?? problem.title };
}

/** What the diagnosis means for a reader, as a text {key, values}; null where the connection bar says it already. */
export function causeForReaders({ kind, status }) {
  if (kind === "between") return { key: "connection.between", values: {} };
  if (kind === "proxy") return foreignResponse(status);
  return kind === "service" ? { key: "connection.not_accepting", values: {} } : null;
}

/** What the diagnosis means and what to do, as text; null where the connection bar says it already. */
export function causeText({ kind, status, detail }, { isOperator }) {
  switch (kind) {
    case "between":
      return isOperator
        ? "The service responds, but something in between rejects its live connection (/ws), most often a proxy. Let it forward the headers Upgrade, Connection and Host for /ws; docs/operations.md shows how."
        : "The service responds, but something in between rejects the live connection: a proxy, a firewall or this network. Try another network, or tell the person who sent you the link.";
    case "proxy":
      return foreignResponseText(status);
    case "service":
      return isOperator ? `The service accepts no live connections right now. ${detail}` : "The service accepts no live connections right now.";
    default:
      return null;
  }
}
