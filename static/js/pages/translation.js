/** Entry of the Translation page. */

import { socket } from "../page-socket.js";
import { pageTexts } from "../page-texts.js";
import { TranslationPage } from "./translation/page.js";

new TranslationPage(socket, { texts: await pageTexts() }).start();
