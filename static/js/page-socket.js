/** The one socket of this page: every module that needs the service imports it; the page's entry starts it. */
import { LiveSocket } from "./live-socket.js";

export const socket = new LiveSocket();
