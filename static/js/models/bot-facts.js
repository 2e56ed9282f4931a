/** The facts of a bot on its page. Apart from models/bots.js, so that pages without them load no names of languages. Pure. */

import { shortened } from "./bots.js";
import { languageName } from "./languages.js";
import { counted } from "./number-format.js";
import { absolute } from "./time-format.js";

/** The facts of a bot: [[name, text]]; null: not known any more. */
export function botFacts(bot) {
  const { spoken, targets, camera } = bot.languages;
  const shown = camera ?? targets[0];
  const isDeleted = bot.state === "data_deleted";
  const recording = { none: "none", mixed: "all together", per_speaker: "each speaker apart", both: "all together, and each speaker apart" }[bot.recording.audio] ?? bot.recording.audio;
  return [
    ["Meeting", bot.meeting_url === "" ? "deleted" : shortened(bot.meeting_url, 200)],
    ["Requested", absolute(bot.requested_at)],
    ["Admitted", bot.admitted_at === null ? "not yet" : absolute(bot.admitted_at)],
    ["Ended", bot.ended_at === null ? null : absolute(bot.ended_at)],
    ["Joined again", bot.recoveries === 0 ? null : counted(bot.recoveries, "time")],
    ["Spoken", isDeleted ? null : spoken === "auto" ? "detected" : languageName(spoken)],
    ["Translated into", isDeleted ? null : targets.length === 0 ? "what readers read" : targets.map((code) => languageName(code)).join(", ")],
    ["On the camera", isDeleted ? null : bot.camera === null ? "camera off" : shown === undefined ? "what is spoken" : languageName(shown)],
    ["Sound recorded", isDeleted ? null : recording],
    ["Bot", bot.bot_id],
    ["Session", bot.session_id],
  ];
}
