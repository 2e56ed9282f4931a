/** Entry of the caption view. */

import { socket } from "../page-socket.js";
import { pageTexts } from "../page-texts.js";
import { CaptionsPage } from "./captions/page.js";

new CaptionsPage(socket, { texts: await pageTexts() }).start();
