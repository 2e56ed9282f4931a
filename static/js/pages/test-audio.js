/** Entry of the page that tests settings of the audio pipeline with recordings and files. */

import { socket } from "../page-socket.js";
import { TestAudioPage } from "./test-audio/page.js";

new TestAudioPage(socket).start();
