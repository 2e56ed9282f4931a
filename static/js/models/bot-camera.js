/** What a bot's camera card says, and how its fields are read and written. Pure. */

import { isFinal, isInCall } from "./bots.js";

/** The fields of an appearance (orch/bots/webcam/appearance.py; null: the camera is off): how a control shows one, and what is sent for it. */
export const CAMERA_FIELDS = {
  on: { read: (appearance) => appearance !== null, write: (on) => ({ on }) },
  mode: { read: (shown) => shown?.mode ?? "overlay", write: (mode) => ({ mode }) },
  theme: { read: (shown) => shown?.theme ?? "dark", write: (theme) => ({ theme }) },
  lines: { read: (shown) => String(shown?.lines ?? 5), write: (text) => ({ lines: Number(text) }) },
  seconds: { read: (shown) => String(shown?.seconds ?? 10), write: (text) => ({ seconds: Number(text) }) },
  names: { read: (shown) => shown?.names ?? true, write: (names) => ({ names }) },
  confidence: { read: (shown) => shown?.confidence ?? true, write: (confidence) => ({ confidence }) },
};

/** Why no picture is shown, or "". `live`: BotLive of orch/bots/shown.py. */
export function cameraNote({ bot, is_here: isHere, camera_frame: frame }) {
  if (isFinal(bot)) return bot.camera === null ? "It had no camera." : "It has left; its camera is off.";
  if (bot.camera === null) return "Its camera is off.";
  if (!isHere) return isInCall(bot) ? "Another worker runs this bot, and does not reply right now." : "Its camera starts when it joins.";
  if (frame === 0) return "Its camera starts when it joins.";
  return "";
}
