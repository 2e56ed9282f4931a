/** What an operator can have the bot do; only what its state allows is offered. */

import { runAction } from "../../components/actions.js";
import { confirm } from "../../components/confirm-dialog.js";
import { byId, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { ProblemError } from "../../control-api.js";
import { isolated } from "../../models/bidi.js";
import { can, deleteConfirmation, isFinal, leaveConfirmation, leaveVerb } from "../../models/bots.js";

export class Controls {
  #scope = new Scope();
  #id;
  #send;
  #onChat;
  #bot = null;

  /** `send(method, path, body)`: the control API; `onChat(text)`: the bot has written it. */
  constructor(id, { send, onChat }) {
    this.#id = id;
    this.#onChat = onChat;
    this.#send = send;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("bot-pause"), "click", ({ currentTarget }) => this.#command("pause", currentTarget));
    this.#scope.listen(byId("bot-resume"), "click", ({ currentTarget }) => this.#command("resume", currentTarget));
    this.#scope.listen(byId("bot-leave"), "click", ({ currentTarget }) => this.#leave(currentTarget));
    this.#scope.listen(byId("delete-data"), "click", ({ currentTarget }) => this.#delete(currentTarget));
    this.#scope.listen(byId("chat-form"), "submit", (event) => this.#chat(event));
  }

  stop() {
    this.#scope.close();
  }

  show(bot) {
    this.#bot = bot;
    const isLeaving = bot.state === "leaving";
    byId("bot-pause").hidden = !can(bot, "pause");
    byId("bot-resume").hidden = !can(bot, "resume");
    byId("bot-leave").hidden = !can(bot, "leave") || isLeaving;
    setText(byId("bot-leave"), leaveVerb(bot));
    byId("bot-again").hidden = !isFinal(bot) || bot.state === "data_deleted";
    setAttribute(byId("bot-again"), "href", `/bots#again=${encodeURIComponent(this.#id)}`);
    byId("chat-form").hidden = !can(bot, "chat");
    byId("bot-delete").hidden = !can(bot, "delete_data") || bot.state === "data_deleted";
  }

  #path(command) {
    return `/api/bots/${encodeURIComponent(this.#id)}/${command}`;
  }

  #command(command, button, done = null) {
    return runAction(button, () => this.#send("POST", this.#path(command)), done);
  }

  async #leave(button) {
    if (await confirm({ ...leaveConfirmation(this.#bot), isDangerous: true })) await this.#command("leave", button);
  }

  async #delete(button) {
    if (!(await confirm({ ...deleteConfirmation(this.#bot), isDangerous: true }))) return;
    await runAction(button, () => this.#send("DELETE", this.#path("data")), `What ${isolated(this.#bot.name)} captured has been deleted.`);
  }

  async #chat(event) {
    event.preventDefault();
    const input = byId("chat-text");
    const text = input.value.trim();
    setText(byId("chat-fault"), "");
    if (text === "") return;
    const button = byId("chat-send");
    button.disabled = true;
    setAttribute(button, "aria-busy", "true");
    try {
      await this.#send("POST", this.#path("chat"), { text });
      if (input.value.trim() === text) input.value = "";
      this.#onChat(text);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setText(byId("chat-fault"), error.message);
    } finally {
      button.disabled = false;
      setAttribute(button, "aria-busy", null);
      input.focus();
    }
  }
}
