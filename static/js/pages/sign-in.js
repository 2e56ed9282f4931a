/**
 * The page that asks for the control token: the form is plain; only colours and the connection are live. What stands
 * behind the `#` of its address, a session and its key, goes on to the next page, and to no server.
 */

import { socket } from "../page-socket.js";
import { Shell } from "../shell.js";

const form = document.querySelector(".sign-in-form");
form?.addEventListener("submit", () => (form.action = `/sign-in${location.hash}`));

new Shell(socket).start();
socket.start();
