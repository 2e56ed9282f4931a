/** The page's one socket. The page's entry passes it to the page, which starts it. */
import { LiveSocket } from "./live-socket.js";

export const socket = new LiveSocket();

/** The service's time, seconds since the epoch: times in its messages are by its clock, not by this machine's. */
export const serverNow = () => socket.serverNow / 1000;
