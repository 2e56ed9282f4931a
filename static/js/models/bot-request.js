/** What the form sends to POST /api/bots, and what it shows where that is rejected. Pure. */

import { canTranslate, closest, isNear, readable } from "./languages.js";

/** The camera's choices of language besides codes. */
export const CAMERA_OFF = "off";
export const AS_SPOKEN = "";

/**
 * The body of a request: what the form leaves as it is, the service decides. `fields`: {url, name, spoken, targets,
 * camera, mode, theme, recording, consent, startAt}; `camera`: a language, AS_SPOKEN or CAMERA_OFF; `startAt`: epoch
 * seconds or null.
 */
export function botRequest(fields, key) {
  const languages = { ...(fields.spoken === "auto" ? {} : { spoken: fields.spoken }) };
  const shown = fields.camera === CAMERA_OFF || fields.camera === AS_SPOKEN ? null : fields.camera;
  const targets = shown === null || fields.targets.includes(shown) ? fields.targets : [...fields.targets, shown];
  if (targets.length > 0) languages.targets = targets;
  // Without a language of its own the camera shows the first target.
  if (shown !== null) languages.camera = shown;
  else if (fields.camera === AS_SPOKEN && targets.length > 0 && fields.spoken !== "auto") languages.camera = fields.spoken;
  return {
    meeting_url: fields.url.trim(),
    ...(fields.name.trim() === "" ? {} : { name: fields.name.trim() }),
    ...(Object.keys(languages).length === 0 ? {} : { languages }),
    camera: fields.camera === CAMERA_OFF ? null : { mode: fields.mode, theme: fields.theme },
    ...(fields.recording === "none" ? {} : { recording: { audio: fields.recording } }),
    ...(fields.consent === "host" ? { consent: { require: "host" } } : {}),
    ...(fields.startAt === null ? {} : { start_at: fields.startAt }),
    idempotency_key: key,
  };
}

/** Why a bot cannot join at `startAt` (epoch seconds, null: at once, NaN: not a whole time), or "". */
export function startFault(startAt, now) {
  if (startAt === null) return "";
  if (Number.isNaN(startAt)) return "Enter the whole date and time at which it joins, or neither.";
  if (startAt < now - 60) return "This time has passed. Choose a later one, or none to have it join at once.";
  return startAt > now + YEAR ? "Choose a time within the next year." : "";
}

const YEAR = 365 * 86_400;

/** What the demo's guests speak. */
const DEMO_SPOKEN = "en";

/**
 * The form's fields for the demo's meeting: without a choice of its own, the camera shows a translation, into the first
 * of `preferred` that is another language, else into Spanish, as far as `offer` has it.
 */
export function demoFields(fields, offer, preferred) {
  if (fields.camera !== AS_SPOKEN || fields.targets.length > 0 || fields.spoken !== "auto") return fields;
  const can = (code) => code !== null && !isNear(code, DEMO_SPOKEN) && canTranslate(offer, DEMO_SPOKEN, code) === true;
  const language = [...preferred, "es"].map((code) => closest(code, readable(offer))).find(can) ?? null;
  return language === null ? fields : { ...fields, spoken: DEMO_SPOKEN, camera: language };
}

/** Which of the form's fields the service means by a fault's path. */
const FIELDS = { meeting_url: "url", name: "name", start_at: "start" };

/** A rejection: {text, field}; `field` is the form's, or null. `problem`: the service's problem document. */
export function rejection({ detail = "", title = "", path = "" }) {
  return { text: detail || title, field: FIELDS[/^\$\.(\w+)/.exec(path)?.[1]] ?? null };
}

/** The form's fields for another bot like `bot`. */
export function likeBot(bot) {
  const { spoken, targets, camera } = bot.languages;
  return {
    url: bot.meeting_url,
    name: bot.name,
    spoken,
    targets: [...targets],
    camera: bot.camera === null ? CAMERA_OFF : (camera ?? targets[0] ?? AS_SPOKEN),
    mode: bot.camera?.mode ?? "overlay",
    theme: bot.camera?.theme ?? "dark",
    recording: bot.recording.audio,
  };
}
