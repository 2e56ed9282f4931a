/** Loads the texts of the page's language, which the service chose and wrote into `<html lang>`. */

import { INTERFACE_LANGUAGES, Texts } from "./models/texts.js";

export async function pageTexts(language = document.documentElement.lang) {
  const known = Object.hasOwn(INTERFACE_LANGUAGES, language) ? language : Object.keys(INTERFACE_LANGUAGES)[0];
  const { default: catalogue } = await import(`./texts/${known}.js`);
  return new Texts(known, catalogue);
}
