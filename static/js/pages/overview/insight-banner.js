/** The insight at the top of the Overview: what is unusual, the facts, what to do next. One at a time; it can be hidden. */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { browserStorage } from "../../components/preferences.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { toast } from "../../components/toasts.js";
import { insightState } from "../../models/analytics.js";
import { HiddenInsights, allLabel, factsOf, insightToShow } from "../../models/insights.js";

export class InsightBanner {
  #box = byId("insight");
  #hidden;
  #state = null;
  #problems = [];

  constructor({ storage = browserStorage() } = {}) {
    this.#hidden = new HiddenInsights(storage);
  }

  /** `state`: the topic `insights`; `problems`: those that are shown above. Returns the insight that is shown, or null. */
  show(state, problems) {
    this.#state = state;
    this.#problems = problems;
    const found = insightToShow(state, problems, (identity) => this.#hidden.has(identity));
    keyed(this.#box, found === null ? [] : [found], { key: ({ identity }) => identity, create: (each) => this.#banner(each), update: (element, each) => this.#update(element, each) });
    return found;
  }

  #banner({ identity }) {
    return h(
      "div",
      { class: "banner insight-banner" },
      pill(),
      h(
        "div",
        { class: "banner-text" },
        h("p", {}, h("strong", {}, h("bdi", { dir: "auto", "data-part": "title" }))),
        h("ul", { class: "small insight-facts", "aria-label": "Evidence", "aria-live": "off", "data-part": "facts" }),
        h("p", { class: "small", "aria-live": "off" }, "Next: ", h("a", { "data-part": "step" }), " Began: ", h("span", { "data-part": "began" }, timeElement()), "."),
      ),
      h("div", { class: "banner-actions" }, h("a", { class: "button", href: "/analytics#insights", "data-part": "all" }), h("button", { type: "button", class: "button", "data-part": "hide", onclick: () => this.#hide(identity) }, "Hide")),
    );
  }

  #update(element, insight) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    const [word, tone] = insightState(insight);
    setAttribute(element, "data-tone", tone);
    setPill(element.querySelector(".pill"), word, tone);
    setText(part("title"), insight.words || insight.title);
    keyed(part("facts"), factsOf(insight), {
      key: ({ at, text }) => `${at} ${text}`,
      create: ({ text }) => h("li", {}, timeElement(), " ", h("bdi", { dir: "auto" }, text)),
      update: (row, { at }) => setTime(row.querySelector("time"), at),
    });
    setText(part("step"), insight.next_step.text);
    setAttribute(part("step"), "href", insight.next_step.href);
    setTime(part("began").firstElementChild, insight.began);
    setText(part("all"), allLabel(this.#state.total));
    setAttribute(part("hide"), "aria-label", `Hide: ${insight.title}`);
  }

  #hide(identity) {
    this.#hidden.add(identity);
    this.#again();
    const title = byId("page-title"); // the button that had the focus is gone
    title.tabIndex = -1;
    title.focus();
    toast("The insight is hidden on this page. Analytics still lists it.", { action: { label: "Undo", run: () => this.#restore(identity) } });
  }

  #restore(identity) {
    this.#hidden.remove(identity);
    this.#again();
  }

  #again() {
    this.show(this.#state, this.#problems);
    this.onChange();
  }

  /** Called when the reader has hidden an insight, or taken that back. */
  onChange = () => {};
}
