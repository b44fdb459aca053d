/** The page's summary: how many are there, with which verdicts, and the title of the window. */

import { element, find, icon, setText } from "./dom.js";
import { counted } from "./format.js";
import { VERDICT_WORDS } from "./reasons.js";

const ORDER = Object.freeze(["fake", "suspicious", "genuine", "insufficient", "warming_up", "stale"]);

/**
 * @typedef {object} Summary
 * @property {string[]} verdicts What each present participant's card shows.
 * @property {boolean} anybody Whether any card is shown.
 * @property {number} alertsTotal
 * @property {boolean} anyAlert Whether any alert is shown.
 */

/** @param {Summary} summary */
export function drawSummary({ verdicts, anybody, alertsTotal, anyAlert }) {
  setText(find(document, "#participant-count"), counted(verdicts.length, "participant"));
  setText(find(document, "#alert-count"), counted(alertsTotal, "alert"));
  /** @type {HTMLElement} */ (find(document, "#no-participants")).hidden = anybody;
  /** @type {HTMLElement} */ (find(document, "#no-alerts")).hidden = anyAlert;
  const tally = ORDER.map((verdict) => ({ verdict, count: verdicts.filter((other) => other === verdict).length })).filter(
    ({ count }) => count > 0,
  );
  const words = tally.map(({ verdict, count }) => `${count} ${VERDICT_WORDS[verdict].toLowerCase()}`);
  const list = /** @type {HTMLElement} */ (find(document, "#tally"));
  if (list.dataset.shown !== words.join()) {
    list.dataset.shown = words.join();
    const items = tally.map(({ verdict }, index) => {
      const item = element("li", "tally-item");
      item.dataset.verdict = verdict;
      item.append(icon(verdict.replace("_", "-")), words[index]);
      return item;
    });
    list.replaceChildren(...items);
  }
  const fakes = verdicts.filter((verdict) => verdict === "fake").length;
  const title = fakes > 0 ? `(${fakes} fake) Seamwatch` : "Seamwatch";
  if (document.title !== title) document.title = title;
}
