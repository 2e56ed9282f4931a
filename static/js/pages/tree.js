/** Entry of the Tree page. */

import { socket } from "../page-socket.js";
import { TreePage } from "./tree/page.js";

new TreePage(socket).start();
