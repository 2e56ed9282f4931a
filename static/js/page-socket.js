/** The one socket of this page: every module that needs the service imports it; the page's entry starts it. */
import { LiveSocket } from "./live-socket.js";

export const socket = new LiveSocket();

/** The service's time, seconds since the epoch: what it says of moments is by its clock, not by this machine's. */
export const serverNow = () => socket.serverNow / 1000;
