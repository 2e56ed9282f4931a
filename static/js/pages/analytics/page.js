/** The Analytics page: charts, error budgets, insights, what is unusual, limits that will be reached, and all figures. */

import { showBanners } from "../../components/banners.js";
import { byId, h, keyed, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { pill, setPill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { TableCard } from "../../components/table-card.js";
import { Table } from "../../components/table.js";
import { Tile } from "../../components/tile.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { showWorkerNote } from "../../components/worker-note.js";
import { control } from "../../control-api.js";
import { budgetTile, causesText, figureName, fillingText, insightState, isJudged, listPath, otherChanges, sentence, valueOf } from "../../models/analytics.js";
import { duration } from "../../models/number-format.js";
import { Shell } from "../../shell.js";
import { Charts } from "./charts.js";
import { FigurePanel } from "./figure-panel.js";

/** What is requested beside the series, and how often (ms); a change of what is unusual is requested at once. */
const SOURCES = {
  figures: { path: (_seconds, worker) => listPath("figures", { worker }), every: 10_000, subject: "Figures" },
  insights: { path: (_seconds, worker) => listPath("insights", { worker }), every: 30_000, subject: "Insights" },
  anomalies: { path: (seconds, worker) => listPath("anomalies", { seconds, worker }), every: 30_000, subject: "What is unusual" },
};
const BUDGETS = ["requests", "captions", "caption_time", "recoveries"];

export class AnalyticsPage {
  #socket;
  #scope = new Scope();
  #shell;
  #charts;
  #panel;
  #pollings;
  #tiles;
  #list;
  #data = { figures: null, insights: null, anomalies: null };
  #errors = { series: null, figures: null, insights: null, anomalies: null };
  #revision = null;
  /** The name of the worker whose topic the page receives, or null where there is one. */
  #worker = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "analytics", interval: 2 } });
    this.#charts = new Charts({ get, onFault: (error) => this.#fault("series", error), now: () => this.#now, worker: () => this.#worker });
    this.#panel = new FigurePanel(byId("figure"), { get, worker: () => this.#worker });
    this.#pollings = Object.fromEntries(Object.entries(SOURCES).map(([name, { every }]) => [name, new Polling({ fetch: get, interval: every })]));
    this.#tiles = Object.fromEntries(BUDGETS.map((name) => [name, new Tile(byId(`tile-budget-${name.replace("_", "-")}`))]));
    const table = new Table({
      caption: "All figures",
      key: ({ key }) => key,
      words: ({ key, figure }) => [key, figureName(figure), figure.area],
      href: ({ key }) => this.#panel.href(key),
      onOpen: (key) => this.#panel.open(key),
      columns: [
        { label: "Figure", keep: true, sort: ({ figure }) => figureName(figure), create: ({ key, figure }) => h("a", { class: "row-link", href: this.#panel.href(key) }, h("bdi", { dir: "auto" }, figureName(figure))), update: () => {} },
        { label: "Part", tagged: true, sort: ({ figure }) => figure.area, text: ({ figure }) => figure.area },
        { label: "Now", number: true, keep: true, text: (row) => valueOf(row) },
      ],
    });
    this.#list = new TableCard("figures", table, { noun: "figure", empty: ["Nothing was measured yet.", "The first figures appear a second after the service has started."] });
  }

  /** The service's time in seconds since the epoch. */
  get #now() {
    return this.#socket.serverNow / 1000;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.start(this.#shell);
    scope.start(this.#charts);
    scope.listen(byId("range"), "change", () => this.#reload("anomalies"));
    for (const name of Object.keys(SOURCES)) this.#poll(name);
    scope.defer(() => Object.values(this.#pollings).forEach((polling) => polling.stop()));
    scope.defer(this.#socket.onTopic("analytics", (live) => this.#measured(live)));
    scope.defer(this.#socket.onTopic("workers", ({ workers }) => this.#follow(workers)));
    scope.defer(showWorkerNote(this.#socket, (label, workers) => `These are the figures of ${label}. Each of the ${workers} workers measures itself.`));
    scope.start(this.#panel);
    scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  #poll(name) {
    this.#pollings[name].poll(SOURCES[name].path(this.#charts.seconds, this.#worker), (outcome) => this.#receive(name, outcome));
  }

  #reload(name) {
    this.#pollings[name].stop();
    this.#poll(name);
  }

  /** Requests may reach another worker than the socket: the page shows those of the socket's. */
  #follow(workers) {
    const own = workers.length > 1 ? (workers.find(({ here }) => here)?.worker.name ?? null) : null;
    if (own === this.#worker) return;
    this.#worker = own;
    this.#charts.reload();
    for (const name of Object.keys(SOURCES)) this.#reload(name);
  }

  #measured(live) {
    this.#charts.measured(live);
    if (this.#revision !== null && live.revision !== this.#revision) for (const name of ["insights", "anomalies", "figures"]) this.#reload(name);
    this.#revision = live.revision;
    if (this.#data.figures === null) return;
    const figures = this.#data.figures.figures.map((each) => ({ ...each, latest: live.values[each.key] ?? null }));
    this.#data.figures = { ...this.#data.figures, figures };
    this.#showFigures();
  }

  #receive(name, { data, error }) {
    this.#fault(name, error);
    if (error !== null) return;
    this.#data[name] = data;
    if (name === "figures") this.#showFigures();
    else if (name === "insights") this.#showInsights(data.insights);
    else {
      this.#showAnomalies(data.anomalies);
      if (this.#data.insights !== null) this.#showInsights(this.#data.insights.insights);
    }
  }

  #fault(name, error) {
    this.#errors[name] = error;
    const faults = Object.entries(this.#errors).filter(([, each]) => each !== null);
    showBanners(
      byId("problems"),
      faults.map(([key, { message }]) => ({ key, tone: "warn", word: "not current", subject: SOURCES[key]?.subject ?? "Charts", text: message, more: "It is tried again.", since: null, action: null })),
    );
    if (error !== null && this.#data[name] === null) {
      const cards = name === "figures" ? ["figures", "filling"] : [name];
      for (const card of cards) fillPlaceholder(byId(`${card}-placeholder`), emptyState("This cannot be shown right now.", "It is tried again."));
    }
    if (faults.length > 0 && this.#data.figures === null) setText(byId("page-status"), "Analytics cannot be shown right now.");
  }

  #showFigures() {
    const { figures } = this.#data;
    setText(byId("page-status"), sentence({ figures, insights: this.#data.insights?.insights, anomalies: this.#data.anomalies }));
    for (const budget of figures.budgets) this.#tiles[budget.name]?.show(budgetTile(budget));
    this.#list.show(figures.figures);
    this.#panel.show(figures.figures);
    this.#showFilling(figures.filling);
    const since = duration(this.#now - figures.since);
    setText(byId("figures-note"), figures.is_restored ? "a row opens to its forecast" : `of the last ${since}; earlier figures are being read`);
  }

  #showFilling(filling) {
    const placeholder = byId("filling-placeholder");
    if (filling.length === 0) {
      fillPlaceholder(placeholder, emptyState("No limit will be reached, as far as figures say.", "Connections, open files, disk, memory and queues are looked at each minute."));
      return;
    }
    keyed(fillPlaceholder(placeholder, null, "ul", "insights"), filling, {
      key: ({ key }) => key,
      create: ({ key, figure }) => h("li", { class: "insight" }, h("a", { href: this.#panel.href(key) }, figureName(figure)), " ", h("span", { class: "muted" })),
      update: (element, each) => setText(element.lastElementChild, fillingText(each)),
    });
  }

  #showInsights(insights) {
    const placeholder = byId("insights-placeholder");
    if (this.#data.figures !== null) this.#showFigures();
    if (insights.length === 0) {
      const what = "When figures become unusual together, what probably caused it appears here.";
      const { anomalies } = this.#data;
      if (isJudged(anomalies)) fillPlaceholder(placeholder, emptyState("Nothing worth a look in the last 7 days.", what));
      else fillPlaceholder(placeholder, emptyState("Nothing worth a look so far.", anomalies === null ? what : `There is too little history yet to call a figure unusual; incidents are noticed all the same. ${what}`));
      return;
    }
    keyed(fillPlaceholder(placeholder, null, "ul", "insights"), insights, {
      key: ({ identity, words, causes, evidence }) => `${identity} ${words} ${causes.length} ${evidence.length}`,
      create: (each) => insight(each),
      update: (element, each) => {
        setPill(element.querySelector(".pill"), ...insightState(each));
        setText(element.querySelector("[data-part=title]"), each.words || each.title);
        setTime(element.querySelector("time"), each.began);
      },
    });
  }

  #showAnomalies(anomalies) {
    this.#charts.mark(anomalies);
    const placeholder = byId("anomalies-placeholder");
    const { followed, young } = this.#data.anomalies;
    setText(byId("anomalies-note"), followed > 0 ? "in the time of the charts, newest first" : young > 0 ? "only sudden changes so far: there is less than a day of history" : "in the time of the charts; too little was measured to judge");
    const rows = unusualRows(this.#data.anomalies);
    if (rows.length === 0) {
      fillPlaceholder(placeholder, emptyState(isJudged(this.#data.anomalies) ? "Nothing was unusual." : "Nothing can be judged yet.", "Each figure is compared with its own course over the day and the week."));
      return;
    }
    keyed(fillPlaceholder(placeholder, null, "ul", "insights"), rows.slice(0, 30), {
      key: ({ identity }) => identity,
      create: ({ key, at }) => h("li", { class: "insight" }, pill(), " ", h("a", { href: this.#panel.href(key) }), " ", timeElement(at)),
      update: (element, { word, tone, at, text }) => {
        setPill(element.querySelector(".pill"), word, tone);
        setText(element.querySelector("a"), text);
        setTime(element.querySelector("time"), at);
      },
    });
  }
}

/** What was unusual and where levels changed, the newest first. */
function unusualRows({ anomalies, changes = [] }) {
  const rows = anomalies.map(({ identity, anomaly, reason }) => {
    const isOpen = anomaly.ended === null;
    return { identity, key: anomaly.key, at: anomaly.began, text: reason, word: isOpen ? anomaly.kind : "over", tone: isOpen ? "warn" : "quiet" };
  });
  const others = otherChanges({ anomalies, changes }).map(({ key, change, reason }) => ({ identity: `${key} ${change.at}`, key, at: change.at, text: reason, word: "new level", tone: "quiet" }));
  return [...rows, ...others].sort((a, b) => b.at - a.at);
}

function insight({ began, causes, evidence, next_step: step }) {
  return h(
    "li",
    { class: "insight" },
    pill(),
    " ",
    h("strong", { "data-part": "title", dir: "auto" }),
    " ",
    timeElement(began),
    h("p", { class: "muted small", dir: "auto" }, "Probably: ", causesText(causes)),
    h("details", {}, h("summary", {}, "Evidence"), h("ul", { class: "small" }, evidence.map(({ at, text }) => h("li", {}, timeElement(at), " ", h("bdi", { dir: "auto" }, text))))),
    h("p", { class: "small" }, "Next: ", h("a", { href: step.href }, step.text), step.command ? h("code", { class: "insight-command" }, step.command) : null),
  );
}
