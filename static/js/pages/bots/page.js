/** The Bots page: a form that sends a bot to a meeting, the bots that run or wait, and those that ended last. */

import { showBanners } from "../../components/banners.js";
import { Feed } from "../../components/bots/feed.js";
import { byId, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Scope } from "../../components/scope.js";
import { control } from "../../control-api.js";
import { botHref, listSentence, parted, unavailableProblems } from "../../models/bots.js";
import { count } from "../../models/number-format.js";
import { Shell } from "../../shell.js";
import { activeBots, endedBots } from "./bot-lists.js";
import { OlderBots } from "./older-bots.js";
import { SendForm } from "./send-form.js";

export class BotsPage {
  #socket;
  #scope = new Scope();
  #shell;
  #feed;
  #form;
  #active;
  #ended;
  #older;
  /** The topic's state, or null until known. */
  #list = null;

  /** `send(method, path, body)` resolves to a response of the control API, or rejects; `go(path)` opens a page. */
  constructor(socket, { send = control, go = (path) => location.assign(path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
    this.#feed = new Feed(socket, { topic: "bots", path: "/api/bots", fetch: (path) => send("GET", path) });
    this.#form = new SendForm({ send, onSent: ({ bot_id }) => go(botHref(bot_id)) });
    const now = () => this.#socket.serverNow / 1000;
    this.#active = activeBots({ now, go });
    this.#ended = endedBots({ go });
    this.#older = new OlderBots({ send, onOlder: () => this.#showEnded() });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#form);
    this.#scope.start(this.#older);
    this.#scope.defer(this.#feed.follow({ onData: (list) => this.#show(list), onError: (error) => this.#failed(error) }));
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  #show(list) {
    showBanners(byId("problems"), unavailableProblems(list));
    setText(byId("page-status"), listSentence(list));
    this.#form.show(list);
    this.#list = list;
    this.#active.show(parted(list.bots).active);
    this.#showEnded();
    setText(byId("active-note"), `${count(list.running)} of ${count(list.limit)} run${list.waiting === 0 ? "" : `, ${count(list.waiting)} wait`}`);
  }

  #showEnded() {
    if (this.#list === null) return;
    this.#older.follow(this.#list);
    this.#ended.show(this.#older.after(parted(this.#list.bots).ended));
  }

  #failed(error) {
    showBanners(byId("problems"), [{ key: "failed", tone: "bad", word: "not shown", subject: "Bots", text: error.message, more: "It is tried again.", since: null, action: null }]);
    setText(byId("page-status"), "Bots cannot be shown right now.");
    for (const id of ["active-placeholder", "ended-placeholder"]) if (byId(id).getAttribute("aria-busy") === "true") fillPlaceholder(byId(id), emptyState("Not known right now."));
  }
}
