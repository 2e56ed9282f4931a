/** Entry of the Settings page. */

import { socket } from "../page-socket.js";
import { SettingsPage } from "./settings/page.js";

new SettingsPage(socket).start();
