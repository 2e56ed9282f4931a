/** Which insight the Overview shows, and its text. Pure: states in, text out. */

import { counted } from "./number-format.js";

/** Facts of an insight that are shown; the Analytics page has all. */
const FACTS = 3;
/** Hidden insights that are remembered; past the limit the oldest is dropped. */
const HIDDEN = 20;
const KEY = "overview:hidden-insights";

/** What a problem's banner already says: the kinds of causes, and the key of the problem for a subject. */
const COVERED = {
  incident: (subject) => `service ${subject}`,
  back_end: (subject) => `service ${subject}`,
  back_end_slow: (subject) => `service ${subject}`,
  back_end_errors: (subject) => `service ${subject}`,
  branch: (subject) => `branch ${subject}`,
  store: () => "store",
  shortage: () => "shortage",
};

/** Whether one of the problems that are shown is what an insight is about. */
function isCovered({ causes: [first] }, problems) {
  const key = first && COVERED[first.cause]?.(first.subject);
  return key !== undefined && problems.some((problem) => problem.key === key || (first.cause === "shortage" && problem.key.startsWith("shortage ")));
}

/**
 * The insight to show, or null: the first that lasts, that no problem already says, and that nobody has hidden.
 * `state`: the topic `insights`, or null; `problems`: as models/overview.js gives them; `isHidden(identity)`.
 */
export function insightToShow(state, problems, isHidden = () => false) {
  return state?.insights.find((each) => !isCovered(each, problems) && !isHidden(each.identity)) ?? null;
}

/** The facts to show: those that began last, oldest first. */
export const factsOf = ({ evidence }) => evidence.slice(-FACTS);

/** The label of the link to all insights. `total`: how many last. */
export const allLabel = (total) => (total > 1 ? `All ${counted(total, "insight")}` : "Open Analytics");

/** The insights that a reader has hidden in this browser. */
export class HiddenInsights {
  #storage;
  #names;

  /** `storage`: localStorage, or null where the reader's settings forbid it; then they last as long as the page. */
  constructor(storage) {
    this.#storage = storage;
    this.#names = this.#read();
  }

  has(identity) {
    return this.#names.includes(identity);
  }

  add(identity) {
    this.#write([...this.#names.filter((each) => each !== identity), identity].slice(-HIDDEN));
  }

  remove(identity) {
    this.#write(this.#names.filter((each) => each !== identity));
  }

  #read() {
    try {
      const found = JSON.parse(this.#storage?.getItem(KEY) ?? "[]");
      return Array.isArray(found) ? found.filter((each) => typeof each === "string").slice(-HIDDEN) : [];
    } catch {
      return []; // what is stored is not ours
    }
  }

  #write(names) {
    this.#names = names;
    try {
      this.#storage?.setItem(KEY, JSON.stringify(names));
    } catch {
      // There is no room: they last as long as the page.
    }
  }
}
