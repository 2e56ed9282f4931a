/** Meeting bots on the Overview: how many run, why none can start, and the last failure. Pure. */

import { endText, listSentence } from "./bots.js";

/** A failure is shown for this long (s). */
const SHOWN_FOR = 86_400;

/** The states in which a bot still needs a browser to be started. */
const UNSTARTED = ["scheduled", "requested"];

/**
 * What GET /api/bots/stats says: {text, unavailable: {text, tone}, failed: {bot, text} | null}; the text of `unavailable`
 * is "" where bots can be started, and its colour depends on whether one waits for that.
 */
export function botsSummary(counted) {
  const { states, unavailable, last_failed: bot, now } = counted;
  const isAwaited = UNSTARTED.some((state) => states[state] > 0);
  const isRecent = bot !== null && now - (bot.ended_at ?? bot.since) < SHOWN_FOR;
  return {
    text: listSentence(counted, { isEmpty: Object.keys(states).length === 0 }),
    unavailable: { text: unavailable, tone: isAwaited ? "warn" : "quiet" },
    failed: isRecent ? { bot, text: endText(bot)?.text ?? "It has failed." } : null,
  };
}
