/** Entry of the page that lists the sessions this browser was in. */

import { InterfaceLanguage } from "../components/interface-language.js";
import { OwnSessions } from "../models/own-sessions.js";
import { tabStorage } from "../models/session-memory.js";
import { TabSession } from "../models/tab-session.js";
import { browserStorage } from "../models/upload-memory.js";
import { socket } from "../page-socket.js";
import { pageTexts } from "../page-texts.js";
import { Shell } from "../shell.js";
import { SessionsPage } from "./sessions/page.js";

const texts = await pageTexts();
new Shell(socket, { texts }).start();
new InterfaceLanguage({ load: () => location.reload() }).start();
socket.start();
new SessionsPage({ own: new OwnSessions(browserStorage()), tab: new TabSession(tabStorage()), texts }).start();
