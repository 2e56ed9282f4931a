/** The tables of bots: those that run or wait, and those that have ended. */

import { h, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { Table } from "../../components/table.js";
import { TableCard } from "../../components/table-card.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { botHref, botName, isInCall, meetingText, rowText, statePill, stay } from "../../models/bots.js";
import { count, duration, UNKNOWN } from "../../models/number-format.js";

const words = (bot) => [bot.name, bot.meeting_url, statePill(bot).word, bot.bot_id, bot.session_id];

const who = {
  label: "Bot",
  sort: ({ name }) => name,
  create: ({ bot_id }) => h("span", {}, h("a", { class: "row-link", dir: "auto", href: botHref(bot_id) }), h("bdi", { class: "cell-sub", dir: "ltr" })),
  update: (cell, { name, meeting_url }) => {
    setText(cell.firstElementChild, botName({ name }));
    setText(cell.lastElementChild, meeting_url === "" ? "address deleted" : meetingText(meeting_url));
    setAttribute(cell.lastElementChild, "title", meeting_url || null);
  },
};

const state = {
  label: "State",
  keep: true,
  full: true,
  sort: (bot) => statePill(bot).word,
  create: () => h("span", { class: "bot-state" }, pill(), h("span", { class: "cell-sub", dir: "auto" })),
  update: (cell, bot) => {
    const { word, tone } = statePill(bot);
    setPill(cell.firstElementChild, word, tone);
    setText(cell.lastElementChild, rowText(bot));
  },
};

const number = (label, value, more = {}) => ({ label, number: true, sort: value, text: (bot) => count(value(bot)), ...more });
/** Of a bot that was in no meeting nothing is known. */
const utterances = number("Utterances", ({ admitted_at: admitted, utterances: said }) => (admitted === null ? null : said), { keep: true });
const people = number("People", (bot) => (isInCall(bot) ? bot.people : null), { keep: true });

/** Unknown, or a duration. */
const lasting = (seconds) => (seconds === null ? UNKNOWN : duration(seconds));

/** `now()`: the service's time, seconds since the epoch; `go(path)` opens a page. */
export function activeBots({ now, go }) {
  const table = new Table({
    caption: "Bots that run or wait, the active ones first",
    key: ({ bot_id }) => bot_id,
    href: ({ bot_id }) => botHref(bot_id),
    onOpen: (id) => go(botHref(id)),
    words,
    columns: [
      who,
      state,
      { label: "Since", sort: ({ since }) => since, create: () => timeElement(), update: (cell, { since }) => setTime(cell, since) },
      { label: "In the meeting", number: true, sort: (bot) => stay(bot, now()), text: (bot) => lasting(stay(bot, now())) },
      people,
      utterances,
    ],
  });
  return new TableCard("active", table, { noun: "bot", empty: ["No bot runs or waits.", "Enter a meeting's address above and send one. It joins under the name that you give it; a participant may have to admit it."] });
}

/** `go(path)` opens a page. */
export function endedBots({ go }) {
  const table = new Table({
    caption: "Bots that have ended, the last ones first",
    key: ({ bot_id }) => bot_id,
    href: ({ bot_id }) => botHref(bot_id),
    onOpen: (id) => go(botHref(id)),
    words: (bot) => [...words(bot), rowText(bot)],
    columns: [
      who,
      state,
      { label: "Ended", sort: ({ ended_at: at, since }) => at ?? since, create: () => timeElement(), update: (cell, { ended_at: at, since }) => setTime(cell, at ?? since) },
      { label: "In the meeting", number: true, sort: (bot) => stay(bot, bot.since), text: (bot) => lasting(stay(bot, bot.since)) },
      utterances,
    ],
  });
  return new TableCard("ended", table, { noun: "bot", empty: ["No bot has ended yet.", "Why each one ended is shown here, with its transcript and what it saw."] });
}
