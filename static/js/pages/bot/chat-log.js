/** The messages in the meeting's chat since the session's begin; the last ones. */

import { byId, h, keyed, setText } from "../../components/dom.js";
import { position } from "../../models/bot-figures.js";
import { isFinal, isInCall } from "../../models/bots.js";

/** Messages that are shown. */
const LIMIT = 50;

export class ChatLog {
  /** message_id -> message */
  #messages = new Map();
  /** How many messages this page has sent. */
  #sent = 0;

  /** Apply a `meeting_chat` message of the bot's session. */
  add(message) {
    this.#messages.delete(message.message_id);
    this.#messages.set(message.message_id, message);
    while (this.#messages.size > LIMIT) this.#messages.delete(this.#messages.keys().next().value);
    keyed(byId("chat-list"), [...this.#messages.values()], {
      key: ({ message_id: id }) => id,
      create: () => h("li", {}, h("p", { class: "bot-who" }, h("bdi", { class: "bot-name", dir: "auto" }), " ", h("span", { class: "faint small" })), h("p", { class: "bot-words", dir: "auto" })),
      update: (element, { sender, at, text, private: isPrivate }) => {
        const [who, words] = element.children;
        setText(who.firstElementChild, sender);
        setText(who.lastElementChild, `${at === null ? "sent from this page" : position(at)}${isPrivate ? ", to the bot alone" : ""}`);
        setText(words, text);
      },
    });
    byId("chat-list").scrollTop = byId("chat-list").scrollHeight;
    byId("chat-empty").hidden = true;
  }

  clear() {
    this.#messages.clear();
    byId("chat-list").replaceChildren();
  }

  /** Add what this page had the bot write: the bot does not read its own messages. */
  sent({ name }, text) {
    this.#sent += 1;
    this.add({ message_id: `sent ${this.#sent}`, sender: name, at: null, text, private: false });
  }

  show(bot) {
    setText(byId("chat-empty"), isInCall(bot) ? "Nothing has been written since it joined." : "What is written in the meeting's chat is shown here while it is in.");
    byId("chat-empty").hidden = this.#messages.size > 0;
    byId("chat").hidden = isFinal(bot) && this.#messages.size === 0;
  }
}
