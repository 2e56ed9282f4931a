/** The page that asks for the control token: the form is plain; only colours and the connection are live. */

import { socket } from "../page-socket.js";
import { Shell } from "../shell.js";

new Shell(socket).start();
socket.start();
