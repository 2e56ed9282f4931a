/** Entry of the Incidents page. */

import { socket } from "../page-socket.js";
import { IncidentsPage } from "./incidents/page.js";

new IncidentsPage(socket).start();
