/** Times as text: relative below an hour, absolute from there on. Pure: `now` is an argument. */

import { UNKNOWN, duration } from "./number-format.js";

const HOUR = 3600;

const pad = (value) => String(value).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}`;
const day = (date) => `${date.getDate()} ${MONTHS[date.getMonth()]}`;

/** `at` and `now` in seconds since the epoch. "now", "12 s ago", "5 min ago", "14:02", "23 Nov, 14:02". */
export function relative(at, now) {
  if (typeof at !== "number") return UNKNOWN;
  const age = now - at;
  if (Math.abs(age) < 2) return "now";
  if (age < 0 && age > -HOUR) return `in ${span(-age)}`;
  if (age >= 0 && age < HOUR) return `${span(age)} ago`;
  const then = new Date(at * 1000);
  const today = new Date(now * 1000);
  if (then.toDateString() === today.toDateString()) return clock(then);
  const year = then.getFullYear() === today.getFullYear() ? "" : ` ${then.getFullYear()}`;
  return `${day(then)}${year}, ${clock(then)}`;
}

/** "24 Nov 2025, 14:02:11", in the reader's time zone. */
export function absolute(at) {
  if (typeof at !== "number") return UNKNOWN;
  const then = new Date(at * 1000);
  return `${day(then)} ${then.getFullYear()}, ${clock(then)}:${pad(then.getSeconds())}`;
}

/** What `<time datetime>` takes. */
export function machine(at) {
  return new Date(at * 1000).toISOString();
}

/** The time of day with seconds: "14:02:11". */
export function clockTime(at) {
  const then = new Date(at * 1000);
  return `${clock(then)}:${pad(then.getSeconds())}`;
}

/** A day and the time of day: "23 Nov, 14:02". */
export function dayTime(at) {
  const then = new Date(at * 1000);
  return `${day(then)}, ${clock(then)}`;
}

/** The label of a time axis: the time of day; with `isLong` the day, at midnight alone, else with the hour. */
export function axisTime(at, isLong) {
  if (!isLong) return clockTime(at).replace(/:00$/, "");
  const then = new Date(at * 1000);
  return then.getHours() === 0 && then.getMinutes() === 0 ? day(then) : clock(then);
}

/** How long ago something was, in seconds: "just now", "12 s ago", "5 min ago", "3 h ago". */
export function ago(seconds) {
  if (typeof seconds !== "number") return UNKNOWN;
  if (seconds < 2) return "just now";
  return `${seconds < HOUR ? span(seconds) : duration(seconds)} ago`;
}

/** Seconds below a minute and a half, minutes from there on. */
function span(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
