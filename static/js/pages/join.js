/** The page to join a session with a code: a plain form. A code behind the `#` of the address is sent at once. */

import { byId } from "../components/dom.js";
import { InterfaceLanguage } from "../components/interface-language.js";
import { codeInAddress } from "../models/join-code.js";
import { socket } from "../page-socket.js";
import { pageTexts } from "../page-texts.js";
import { Shell } from "../shell.js";

const form = byId("join-form");
const field = byId("code");
const button = byId("join-button");

function sendCodeOfAddress() {
  const code = codeInAddress(location.href);
  if (code === "") return;
  // Going back leads to the empty form, which sends nothing by itself.
  history.replaceState(history.state, "", location.pathname);
  field.value = code;
  form.requestSubmit();
}

form.addEventListener("submit", () => (button.disabled = true));
// A page that comes back from the browser's cache can be used again.
addEventListener("pageshow", () => (button.disabled = false));
addEventListener("hashchange", sendCodeOfAddress);

new Shell(socket, { texts: await pageTexts() }).start();
// Not a reload: after a wrong code it would send that code again.
new InterfaceLanguage({ load: () => location.assign(location.pathname) }).start();
socket.start();
sendCodeOfAddress();
