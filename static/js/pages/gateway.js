/** Entry of the Gateway page. */

import { socket } from "../page-socket.js";
import { GatewayPage } from "./gateway/page.js";

new GatewayPage(socket).start();
