/** The alerts: a bounded log, and the list that shows it. */

import { element, icon, setText } from "./dom.js";
import { clock, counted, seamInWords, timeOfDay } from "./format.js";
import { keyOf } from "./participants.js";
import { sentence, valuesInWords } from "./reasons.js";

const MOST_ALERTS = 200;
const MOST_SEAMS = 3;

/** Icon and word of each state. */
const STATES = Object.freeze({
  clear: { icon: "genuine", word: "clear" },
  suspicious: { icon: "suspicious", word: "suspicious" },
  alert: { icon: "fake", word: "alert" },
});

/**
 * @typedef {object} LoggedAlert
 * @property {any} alert An AlertMessage.
 * @property {number} atMs When it was raised: on this machine's clock where it was seen live.
 * @property {boolean} replayed It was raised before this page connected.
 */

export class AlertLog {
  /** Newest first. @type {LoggedAlert[]} */
  entries = [];
  /** Alerts received since the page was opened. */
  total = 0;
  #replayUntilSeq = 0;

  /** @param {{last_seq: number}} hello */
  connected(hello) {
    this.#replayUntilSeq = hello.last_seq;
  }

  /**
   * @param {any} alert
   * @param {number} nowMs
   * @returns {LoggedAlert}
   */
  add(alert, nowMs) {
    const replayed = alert.seq <= this.#replayUntilSeq;
    const logged = { alert, replayed, atMs: replayed ? Date.parse(alert.raised_at) : nowMs };
    this.entries.unshift(logged);
    this.entries.length = Math.min(this.entries.length, MOST_ALERTS);
    this.total += 1;
    return logged;
  }

  /** Forgets everything. */
  clear() {
    this.entries = [];
    this.total = 0;
    this.#replayUntilSeq = 0;
  }
}

export class AlertList {
  #list;
  #announcer;
  #onChosen;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} announcer A polite live region.
   * @param {(key: string) => void} onChosen A person clicked an alert of this participant.
   */
  constructor(list, announcer, onChosen) {
    this.#list = list;
    this.#announcer = announcer;
    this.#onChosen = onChosen;
  }

  /** @param {LoggedAlert} logged */
  add(logged) {
    this.#list.prepend(this.#entry(logged.alert));
    while (this.#list.childElementCount > MOST_ALERTS) this.#list.lastElementChild?.remove();
    if (!logged.replayed) setText(this.#announcer, announcement(logged.alert));
  }

  /** Empties the list. */
  clear() {
    this.#list.replaceChildren();
  }

  /** @param {any} alert @returns {HTMLElement} */
  #entry(alert) {
    const item = element("li", "alert");
    Object.assign(item.dataset, { seq: alert.seq, participant: alert.participant, state: alert.state });
    const button = /** @type {HTMLButtonElement} */ (element("button", "alert-body"));
    button.type = "button";
    button.addEventListener("click", () => this.#onChosen(keyOf(alert)));
    button.append(headline(alert), element("span", "alert-why", alert.reasons.map(sentence).join(" ")));
    if (alert.seams.length > 0) button.append(seamLines(alert.seams));
    const details = valuesInWords(alert.values);
    if (details) button.append(element("span", "alert-values", details));
    if (Object.values(alert.engines).some((engine) => engine.baseline)) {
      button.append(element("span", "tag tag-baseline", "baseline encoders"));
    }
    item.append(button);
    return item;
  }
}

/** @param {any} alert @returns {HTMLElement} */
function headline(alert) {
  const [before, after] = [STATES[alert.previous], STATES[alert.state]];
  const head = element("span", "alert-head");
  const change = element("span", "alert-change");
  change.append(
    element("span", "alert-before", `${before.word} →`),
    icon(after.icon),
    element("strong", "alert-after", after.word),
  );
  const when = element("span", "alert-when", `${timeOfDay(alert.raised_at)} · at ${clock(alert.time_s)}`);
  head.append(element("span", "alert-who", alert.participant), change, when);
  return head;
}

/** @param {any[]} seams @returns {HTMLElement} */
function seamLines(seams) {
  const lines = element("span", "alert-seams");
  lines.append(...seams.slice(0, MOST_SEAMS).map((seam) => element("span", "seam", seamInWords(seam))));
  const more = seams.length - MOST_SEAMS;
  if (more > 0) lines.append(element("span", "seam", `and ${counted(more, "more pair")}`));
  return lines;
}

/** @param {any} alert @returns {string} */
function announcement(alert) {
  const why = alert.reasons.map(sentence).join(" ");
  return `${alert.participant} is now ${STATES[alert.state].word} at ${clock(alert.time_s, 0)}. ${why}`;
}
