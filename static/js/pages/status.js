/** Entry of the public status page, which the service renders whole: local times, and a fresh page twice a minute. */

import { byId } from "../components/dom.js";
import { InterfaceLanguage } from "../components/interface-language.js";
import { checkTheme, chooseTheme } from "../shell.js";
import { StatusPage } from "./status/page.js";

delete document.documentElement.dataset.loading;
checkTheme(document.documentElement.dataset.theme ?? "system");
document.addEventListener("change", ({ target }) => target.closest?.(".theme-choice") && chooseTheme(target.value));
new InterfaceLanguage({ load: () => location.reload() }).start();
new StatusPage({ content: byId("status-content"), sentence: byId("page-status"), stale: byId("status-stale") }).start();
