/** The banners of problems at the top of the page. */

import { h, keyed, setAttribute, setText } from "./dom.js";
import { pill, setPill } from "./pill.js";
import { setTime, timeElement } from "./time-element.js";

/** `problems` as models/overview.js gives them; `onRestart(service, button)` is called for problems with that action. */
export function showBanners(container, problems, { onRestart = null } = {}) {
  keyed(container, problems, {
    key: (problem) => problem.key,
    create: (problem) =>
      h(
        "div",
        { class: "banner" },
        pill(problem.word, problem.tone),
        h("div", { class: "banner-text" }, h("p", {}, h("strong", { dir: "auto" }, problem.subject), problem.text ? ": " : "", h("bdi", { dir: "auto", "data-part": "text" })), h("p", { class: "banner-more", "aria-live": "off" }, h("bdi", { dir: "auto", "data-part": "more" }), ...(problem.since === null ? [] : [" Began: ", timeElement(), "."]))),
        h("div", { class: "banner-actions" }, action(problem, onRestart)),
      ),
    update: (element, problem) => {
      setAttribute(element, "data-tone", problem.tone);
      setPill(element.querySelector(".pill"), problem.word, problem.tone);
      setText(element.querySelector('[data-part="text"]'), sentence(problem.text));
      setText(element.querySelector('[data-part="more"]'), problem.more);
      const time = element.querySelector("time");
      if (time !== null) setTime(time, problem.since);
    },
  });
}

function action(problem, onRestart) {
  if (problem.action === null) return null;
  if (problem.action.kind === "link") return h("a", { class: "button", href: problem.action.href }, problem.action.label);
  if (onRestart === null) return null;
  const { service } = problem.action;
  return h("button", { type: "button", class: "button", onclick: (event) => onRestart(service, event.currentTarget) }, `Restart ${service}`);
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
