/** A page that could not be shown: only the shell around it is live. */

import { socket } from "../page-socket.js";
import { Shell } from "../shell.js";

new Shell(socket).start();
socket.start();
