/** Entry of the Analytics page. */

import { socket } from "../page-socket.js";
import { AnalyticsPage } from "./analytics/page.js";

new AnalyticsPage(socket).start();
