/** Entry of a bot's page. */

import { socket } from "../page-socket.js";
import { BotPage } from "./bot/page.js";

new BotPage(socket).start();
