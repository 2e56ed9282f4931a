/** Entry of the page that controls the audio pipeline. */

import { socket } from "../page-socket.js";
import { AudioControlsPage } from "./audio-processing-controls/page.js";

new AudioControlsPage(socket).start();
