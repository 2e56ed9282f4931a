/** Entry of the Connections page. */

import { socket } from "../page-socket.js";
import { ConnectionsPage } from "./connections/page.js";

new ConnectionsPage(socket).start();
