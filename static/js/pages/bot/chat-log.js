/** The messages in the meeting's chat since the session's begin; the last ones. */

import { byId, h, keyed, setText } from "../../components/dom.js";
import { EndFollower } from "../../components/end-follower.js";
import { position } from "../../models/bot-figures.js";
import { isFinal, isInCall } from "../../models/bots.js";

/** Messages that are shown. */
const LIMIT = 50;

/** A message's words: pages break its lines in other ways. */
const plain = (text) => text.split(/\s+/).filter(Boolean).join(" ");

export class ChatLog {
  /** message_id -> message; `isMatched`: of the bot, and this page has sent it. */
  #messages = new Map();
  /** How many messages this page has sent. */
  #sent = 0;
  #end = new EndFollower({ scroll: byId("chat-list") });

  start() {
    this.#end.start();
  }

  stop() {
    this.#end.stop();
  }

  /** Apply a `meeting_chat` message of the bot's session. */
  add(message) {
    const echo = message.own ? this.#find(message.text, ({ at }) => at === null) : undefined;
    if (echo !== undefined) this.#messages.delete(echo.message_id);
    this.#show({ ...message, isMatched: echo !== undefined });
  }

  #show(message) {
    this.#messages.delete(message.message_id);
    this.#messages.set(message.message_id, message);
    while (this.#messages.size > LIMIT) this.#messages.delete(this.#messages.keys().next().value);
    keyed(byId("chat-list"), [...this.#messages.values()], {
      key: ({ message_id: id }) => id,
      create: () => h("li", {}, h("p", { class: "bot-who" }, h("bdi", { class: "bot-name", dir: "auto" }), " ", h("span", { class: "bot-mark small", hidden: true }, "bot"), " ", h("span", { class: "faint small" })), h("p", { class: "bot-words", dir: "auto" })),
      update: (element, { sender, at, text, private: isPrivate, own: isOwn }) => {
        const [who, words] = element.children;
        who.children[1].hidden = !isOwn;
        setText(who.firstElementChild, sender);
        setText(who.lastElementChild, `${at === null ? "sent from this page" : position(at)}${isPrivate ? ", to the bot alone" : ""}`);
        setText(words, text);
      },
    });
    this.#end.follow();
    byId("chat-empty").hidden = true;
  }

  clear() {
    this.#messages.clear();
    byId("chat-list").replaceChildren();
    this.#end.jump();
  }

  /** Add what this page had the bot write, until the meeting shows it. */
  sent({ name }, text) {
    // It may have been shown before the response to the request arrived.
    const shown = this.#find(text, ({ at, isMatched }) => at !== null && !isMatched);
    if (shown !== undefined) {
      shown.isMatched = true;
      return;
    }
    this.#sent += 1;
    this.#end.jump();
    this.#show({ message_id: `sent ${this.#sent}`, sender: name, at: null, text, private: false, own: true });
  }

  /** The oldest message of the bot with these words for which `test` holds. */
  #find(text, test) {
    return [...this.#messages.values()].find((message) => message.own && plain(message.text) === plain(text) && test(message));
  }

  show(bot) {
    setText(byId("chat-empty"), isInCall(bot) ? "Nothing has been written since it joined." : "What is written in the meeting's chat is shown here while it is in.");
    byId("chat-empty").hidden = this.#messages.size > 0;
    byId("chat").hidden = isFinal(bot) && this.#messages.size === 0;
  }
}
