/** Entry of the caption view. */

import { socket } from "../page-socket.js";
import { CaptionsPage } from "./captions/page.js";

new CaptionsPage(socket).start();
