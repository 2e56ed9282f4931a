/** Entry of the Translation page. */

import { socket } from "../page-socket.js";
import { TranslationPage } from "./translation/page.js";

new TranslationPage(socket).start();
