/** Entry of the Overview page. */

import { socket } from "../page-socket.js";
import { OverviewPage } from "./overview/page.js";

new OverviewPage(socket).start();
