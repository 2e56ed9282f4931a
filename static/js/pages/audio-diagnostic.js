/** Entry of the page that measures audio. */

import { socket } from "../page-socket.js";
import { AudioDiagnosticPage } from "./audio-diagnostic/page.js";

new AudioDiagnosticPage(socket).start();
