/** The uptime of services: a row of bars each, and the share of each window. */

import { barsText, barText, knownText, shareText } from "../models/incidents.js";
import { h, keyed, setAttribute, setText } from "./dom.js";

const WINDOWS = ["24h", "7d", "30d", "90d"];
const NAMES = { "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days" };

/** Fill `container`. `services`: [{service, windows: {"24h": uptime, …}}]; `window`: whose bars are shown. */
export function showUptime(container, services, window) {
  keyed(container, services, {
    key: ({ service }) => service,
    create: ({ service }) =>
      h(
        "section",
        { "aria-label": service },
        h("h3", { dir: "auto" }, service),
        h("p", { class: "status-bars", role: "img" }),
        h("dl", { class: "status-shares" }, WINDOWS.map((name) => h("div", {}, h("dt", {}, NAMES[name]), h("dd", {}), h("dd", { class: "faint small" })))),
      ),
    update: (element, { service, windows }) => {
      const [, bars, shares] = element.children;
      showBars(bars, windows[window].bars);
      setAttribute(bars, "aria-label", `Last ${NAMES[window]}. ${barsText(service, windows[window])}`);
      WINDOWS.forEach((name, index) => {
        const [, share, known] = shares.children[index].children;
        setText(share, shareText(windows[name]));
        setText(known, knownText(windows[name]));
      });
    },
  });
}

function showBars(element, bars) {
  while (element.children.length > bars.length) element.lastElementChild.remove();
  while (element.children.length < bars.length) element.append(h("span", { class: "status-bar" }));
  bars.forEach((bar, index) => {
    setAttribute(element.children[index], "data-state", bar.state);
    setAttribute(element.children[index], "title", barText(bar));
  });
}
