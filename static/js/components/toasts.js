/** Short messages at the lower edge, with an action such as Undo where there is one. */

import { byId, h } from "./dom.js";

const SHOWN_FOR = 8_000;
const AT_ONCE = 3;

/** `action`: {label, run} or null. An error, or a message that `stays`, is shown until it is dismissed. */
export function toast(text, { title = "", tone = "", action = null, stays = tone === "bad" } = {}) {
  const box = byId("toasts");
  const end = () => element.remove();
  const element = h(
    "div",
    { class: "toast", "data-tone": tone || null },
    h("span", {}, title && h("strong", { class: "toast-title" }, title), h("bdi", { dir: "auto" }, text)),
    action &&
      h(
        "button",
        {
          type: "button",
          class: "button button-small",
          onclick: () => {
            end();
            action.run();
          },
        },
        action.label,
      ),
    stays && h("button", { type: "button", class: "button button-small", onclick: end }, box.dataset.dismiss ?? "Dismiss"),
  );
  while (box.children.length >= AT_ONCE) box.firstElementChild.remove();
  box.append(element);
  if (!stays) setTimeout(end, SHOWN_FOR);
}
