/**
 * Why a live connection does not come about. Pure. A browser is told nothing of a handshake that failed, so the
 * service is asked over HTTP: at `/livez` whether it is there, at `/ws` whether it would take a connection (426:
 * it would, had the request been one for a WebSocket).
 */

import { foreignResponseText, parseObject, parseProblem } from "./responses.js";

const TAKES_SOCKETS = "upgrade_required";

/**
 * `alive` and `socket`: {status, text} of what was answered, or null where nothing was. Returns {kind, …}:
 * "unreachable"; "proxy" {status}: somebody else answers in the service's place; "service" {detail}: it takes no
 * connection now; "between": it would, and something between keeps the socket from it.
 */
export function verdict({ alive, socket }) {
  if (alive === null) return { kind: "unreachable" };
  if (parseObject(alive.text)?.status !== "alive") return { kind: "proxy", status: alive.status };
  const problem = socket === null ? null : parseProblem(socket.text);
  if (problem === null || problem.code === TAKES_SOCKETS) return { kind: "between" };
  return { kind: "service", detail: problem.detail ?? problem.title };
}

/** What that means and what to do; null where the connection's own words say it. */
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
