/** The cards of figures: participants, names of speakers, and what the bot is. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { mediaFacts, personText, qualityFacts, qualityText, storedPeople, storedQuality } from "../../models/bot-figures.js";
import { botFacts } from "../../models/bot-facts.js";
import { isFinal } from "../../models/bots.js";
import { counted } from "../../models/number-format.js";

export class FactsCards {
  #quality = facts();
  #about = facts();
  /** What is stored, null until it is known. */
  #stored = { speakers: null, quality: null };
  #live = null;

  clear() {
    this.#stored = { speakers: null, quality: null };
  }

  /** Apply what is stored: `speakers` of the timeline, or the `quality` of the correlations. */
  recall(stored) {
    this.#stored = { ...this.#stored, ...stored };
    if (this.#live !== null) this.show(this.#live);
  }

  /** `live`: BotLive of orch/bots/shown.py; where the bot does not run here, what is stored takes the place of what is live. */
  show(live) {
    this.#live = live;
    const { bot, is_here: isHere, media } = live;
    const { speakers, quality: stored } = this.#stored;
    const quality = isHere || bot.admitted_at === null ? live.quality : stored === null ? null : storedQuality(stored);
    this.#showPeople(bot, isHere || speakers === null ? live.people : storedPeople(speakers, isFinal(bot)));
    const { says, tone } = qualityText(quality);
    setText(byId("quality-text"), says);
    setAttribute(byId("quality-text"), "class", tone === "warn" ? "is-warn" : "muted");
    fillPlaceholder(byId("quality-placeholder"), this.#quality);
    showFacts(this.#quality, quality === null ? [] : qualityFacts(quality));
    fillPlaceholder(byId("about-placeholder"), this.#about);
    showFacts(this.#about, [...botFacts(bot), ...(isHere && bot.admitted_at !== null ? mediaFacts(media) : [])]);
  }

  #showPeople(bot, people) {
    const slot = byId("people-placeholder");
    setText(byId("people-note"), people.length === 0 ? "" : isFinal(bot) ? counted(people.length, "participant") : counted(people.filter(({ is_present: is }) => is).length, "present", "present"));
    if (people.length === 0) {
      fillPlaceholder(slot, emptyState(isFinal(bot) ? "Nobody is in its list." : "Nobody is known yet.", ...(isFinal(bot) ? [] : ["The meeting's list of participants is shown here once it is in."])));
      return;
    }
    keyed(fillPlaceholder(slot, null, "ul", "bot-people"), people, {
      key: ({ id }) => id,
      create: () => h("li", {}, h("bdi", { dir: "auto" }), " ", h("span", { class: "muted small" })),
      update: (element, person) => {
        setAttribute(element, "data-speaking", person.is_speaking);
        setAttribute(element, "data-gone", !person.is_present);
        setText(element.firstElementChild, person.name);
        setText(element.lastElementChild, personText(person));
      },
    });
  }
}
