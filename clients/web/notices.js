/** Short notices at the top of the page; they go away by themselves. */

import { element, find } from "./dom.js";

const SHOWN_FOR_MS = 30_000;
const MOST_NOTICES = 3;

/** @param {string} text @param {string} fix What a person can do; may be empty. */
export function notify(text, fix) {
  const notices = find(document, "#notices");
  const notice = element("li", "notice");
  const close = /** @type {HTMLButtonElement} */ (element("button", "quiet", "Dismiss"));
  close.type = "button";
  close.addEventListener("click", () => notice.remove());
  notice.append(element("span", "", [text, fix].filter(Boolean).join(" ")), close);
  notices.prepend(notice);
  while (notices.childElementCount > MOST_NOTICES) notices.lastElementChild?.remove();
  window.setTimeout(() => notice.remove(), SHOWN_FOR_MS);
}
