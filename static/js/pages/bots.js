/** Entry of the Bots page. */

import { socket } from "../page-socket.js";
import { BotsPage } from "./bots/page.js";

new BotsPage(socket).start();
