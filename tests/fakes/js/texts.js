/** The interface's texts in each of its languages: `TEXTS.en`, `TEXTS.ar`. */

import { INTERFACE_LANGUAGES, Texts } from "../../../static/js/models/texts.js";

const languages = Object.keys(INTERFACE_LANGUAGES);
const catalogues = await Promise.all(languages.map((language) => import(`../../../static/js/texts/${language}.js`)));

export const TEXTS = Object.fromEntries(languages.map((language, index) => [language, new Texts(language, catalogues[index].default)]));
