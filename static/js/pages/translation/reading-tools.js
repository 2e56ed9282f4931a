/** The reader's tools: how the transcript is shown, the search in it, and the translation read aloud. */

import { byId } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { InterfaceLanguage } from "../../components/interface-language.js";
import { ReadAloud } from "../../components/translation/read-aloud.js";
import { ReadingOptions } from "../../components/translation/reading-options.js";
import { TranscriptSearch } from "../../components/translation/transcript-search.js";
import { WakeLock } from "../../components/wake-lock.js";

/** The screen stays awake this long after the last line that changed (ms): phones turn it off while one reads. */
const AWAKE_FOR = 600_000;

export class ReadingTools {
  #scope = new Scope();
  #options;
  #search;
  #aloud;
  #languages;
  #wakeLock;
  #sleep = null;

  /** `languages`: the LanguageChoice; `isOwn(line)`: whether the reader spoke it; `now()`: the service's time, epoch ms; `texts`: those of the page's language. */
  constructor({ texts, captions, transcript, languages, preferences, isOwn, now, wakeLock = new WakeLock() }) {
    this.#languages = languages;
    this.#wakeLock = wakeLock;
    this.#aloud = new ReadAloud({
      texts,
      box: byId("read-aloud"),
      voice: byId("read-voice"),
      speed: byId("read-speed"),
      details: byId("read-aloud-options"),
      note: byId("read-aloud-note"),
      targets: () => languages.targets,
      isOwn,
      now,
      preferences,
    });
    this.#options = new ReadingOptions({
      texts,
      smaller: byId("text-smaller"),
      larger: byId("text-larger"),
      value: byId("text-size"),
      show: byId("reading-show"),
      colours: byId("reading-colours"),
      confidence: byId("reading-confidence"),
      preferences,
    });
    this.#search = new TranscriptSearch({
      texts,
      openers: document.querySelectorAll("[data-search]"),
      bar: byId("search-bar"),
      field: byId("search-text"),
      count: byId("search-count"),
      previous: byId("search-previous"),
      next: byId("search-next"),
      close: byId("search-close"),
      captions,
      transcript,
      shown: () => ({ targets: languages.targets, isOfferKnown: languages.isOfferKnown, show: this.#options.reading.show }),
    });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#options);
    this.#scope.start(new InterfaceLanguage({ load: () => location.reload() }));
    this.#scope.start(this.#search);
    this.#scope.start(this.#aloud);
    this.#scope.listen(this.#languages, "change", () => this.#aloud.update());
    this.#scope.listen(this.#options, "change", () => this.#search.refresh());
    this.#scope.defer(() => this.#letSleep());
  }

  stop() {
    this.#scope.close();
  }

  /** Single keys of the page. */
  get keys() {
    return { "+": () => this.#options.resize(1), "-": () => this.#options.resize(-1), f: this.#search.open };
  }

  /** A line has changed. */
  update(line) {
    this.#aloud.offer(line);
    this.#stayAwake();
  }

  /** Lines were drawn. */
  drawn() {
    this.#search.refresh();
  }

  #stayAwake() {
    if (!this.#scope.isOpen) return;
    this.#wakeLock.start();
    clearTimeout(this.#sleep);
    this.#sleep = setTimeout(() => this.#letSleep(), AWAKE_FOR);
  }

  #letSleep() {
    clearTimeout(this.#sleep);
    this.#wakeLock.stop();
  }
}
