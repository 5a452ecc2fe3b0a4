// Times and durations in words.

import { make } from "./elements.js";

/** Show seconds since the epoch, or a date in ISO 8601, as local time; with the day, unless it is today. */
export function moment(value, timeStyle = "medium") {
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  const today = date.toDateString() === new Date().toDateString();
  const text = date.toLocaleString([], { dateStyle: today ? undefined : "medium", timeStyle });
  return make("time", { datetime: date.toISOString() }, text);
}

/** Turn 600 seconds into "10 minutes". */
export function span(seconds) {
  const units = { day: 86400, hour: 3600, minute: 60, second: 1 };
  const [unit, size] = Object.entries(units).find(([, size]) => seconds % size === 0);
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Turn 61,000 milliseconds into "1:01". */
export function clock(milliseconds) {
  const total = Math.ceil(milliseconds / 1000);
  const [days, hours, minutes, seconds] = [total / 86400, (total / 3600) % 24, (total / 60) % 60, total % 60];
  const digits = (number) => String(Math.floor(number)).padStart(2, "0");
  const long = `${Math.floor(hours)}:${digits(minutes)}:${digits(seconds)}`;
  if (total >= 86400) return `${Math.floor(days)} d ${long}`;
  return total >= 3600 ? long : `${Math.floor(minutes)}:${digits(seconds)}`;
}
