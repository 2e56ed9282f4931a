import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeBrowser } from "../fakes/js/dom.js";

const importing = fakeBrowser();
const { ChatLog } = await import("../../static/js/pages/bot/chat-log.js");
importing.restore();

const bot = { name: "Scribe" };
const message = (id, text, more = {}) => ({ type: "meeting_chat", message_id: id, sender: "Ana", at: 2, text, private: false, own: false, ...more });
const own = (id, text) => message(id, text, { sender: "Scribe", own: true });

/** A chat and what it shows: [who, whether it is marked as the bot's, words]. */
function opened(t) {
  const { document, restore } = fakeBrowser();
  t.after(restore);
  const shown = () => document.getElementById("chat-list").children.map(({ children: [who, words] }) => [who.children[0].textContent, !who.children[1].hidden, words.textContent]);
  return { chat: new ChatLog(), shown };
}

test("messages of the bot are marked as its own, a participant's of its name are not", (t) => {
  const { chat, shown } = opened(t);
  chat.add(own("1", "I transcribe."));
  chat.add(message("2", "Hi", { sender: "Scribe" }));
  assert.deepEqual(shown(), [["Scribe", true, "I transcribe."], ["Scribe", false, "Hi"]]);
});

test("what this page had it write is shown once, whichever of response and message comes first", (t) => {
  const { chat, shown } = opened(t);
  chat.sent(bot, "Hello\nall");
  assert.deepEqual(shown(), [["Scribe", true, "Hello\nall"]]);
  chat.add(own("1", "Hello all"));
  chat.add(own("2", "Bye"));
  chat.sent(bot, "Bye");
  assert.deepEqual(shown().map(([, , words]) => words), ["Hello all", "Bye"]);
  chat.sent(bot, "Bye");
  chat.sent(bot, "Bye");
  assert.equal(shown().length, 4);
  chat.add(own("3", "Bye"));
  chat.add(own("4", "Bye"));
  assert.deepEqual(shown().map(([, , words]) => words), ["Hello all", "Bye", "Bye", "Bye"]);
  chat.add(message("5", "Bye"));
  assert.equal(shown().length, 5);
});

test("a reader who scrolled back stays there, until they write something themselves", (t) => {
  const { chat } = opened(t);
  const list = document.getElementById("chat-list");
  chat.start();
  chat.add(message("1", "Hi"));
  list.scrollHeight = 1_000;
  chat.add(message("2", "Hello"));
  assert.equal(list.scrollTop, 1_000);
  list.scrollTop = 300;
  list.dispatchEvent(new Event("scroll"));
  chat.add(message("3", "Anybody here?"));
  assert.equal(list.scrollTop, 300);
  chat.sent(bot, "Yes.");
  assert.equal(list.scrollTop, 1_000);
  chat.stop();
});
