/** Copies text to the clipboard, and saves text as a file. */

import { h } from "./dom.js";

/** Resolves to whether it was copied. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not a secure context, or the browser requires a user gesture: execCommand works from a click.
    return copySelected(text);
  }
}

function copySelected(text) {
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  before?.focus();
  return copied;
}

/** Have the browser save `text`, or a Blob. */
export function saveText(text, { name, type }) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // Once the download has begun it holds the data itself.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
