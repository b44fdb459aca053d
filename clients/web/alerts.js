/** The alerts: a bounded log, and the list that shows it. */

import { element, find, icon, setText } from "./dom.js";
import { FEEDBACK_WORDS } from "./feedback.js";
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
 * @property {boolean} history It was raised before the page was opened.
 * @property {any} feedback What an operator said about it, or null.
 */

export class AlertLog {
  /** Newest first. @type {LoggedAlert[]} */
  entries = [];
  /** Alerts received since the page was opened. */
  total = 0;
  #replayUntilSeq = 0;
  /** @type {number | null} */
  #historyUntilSeq = null;

  /** @param {{last_seq: number}} hello */
  connected(hello) {
    this.#replayUntilSeq = hello.last_seq;
    this.#historyUntilSeq ??= hello.last_seq;
  }

  /**
   * @param {any} alert
   * @param {number} nowMs
   * @returns {LoggedAlert}
   */
  add(alert, nowMs) {
    const replayed = alert.seq <= this.#replayUntilSeq;
    const history = alert.seq <= (this.#historyUntilSeq ?? 0);
    const logged = { alert, history, atMs: replayed ? Date.parse(alert.raised_at) : nowMs, feedback: null };
    this.entries.unshift(logged);
    this.entries.length = Math.min(this.entries.length, MOST_ALERTS);
    this.total += 1;
    return logged;
  }

  /**
   * Takes what an operator said about an alert.
   * @param {any} feedback
   * @returns {LoggedAlert | null} The alert; null for one that is no longer shown.
   */
  mark(feedback) {
    const logged = this.entries.find(({ alert }) => alert.seq === feedback.seq);
    if (logged === undefined) return null;
    logged.feedback = feedback;
    return logged;
  }

  /** @param {string} key @returns {LoggedAlert | null} The newest alert of a participant that nobody answered. */
  newestOpen(key) {
    return this.entries.find((logged) => keyOf(logged.alert) === key && isOpen(logged)) ?? null;
  }

  /** Forgets everything. */
  clear() {
    this.entries = [];
    this.total = 0;
    this.#replayUntilSeq = 0;
    this.#historyUntilSeq = null;
  }
}

/** @param {LoggedAlert} logged @returns {boolean} Whether it accuses and nobody has answered it. */
function isOpen({ alert, feedback }) {
  return alert.state !== "clear" && feedback === null;
}

/**
 * @typedef {object} AlertListEvents
 * @property {(key: string) => void} onChosen A person clicked an alert of this participant.
 * @property {(seq: number, state: import("./feedback.js").FeedbackState) => void} onFeedback A person answered it.
 */

export class AlertList {
  #list;
  #announcer;
  #events;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} announcer A polite live region.
   * @param {AlertListEvents} events
   */
  constructor(list, announcer, events) {
    this.#list = list;
    this.#announcer = announcer;
    this.#events = events;
  }

  /** @param {LoggedAlert} logged */
  add(logged) {
    this.#list.prepend(this.#entry(logged.alert));
    while (this.#list.childElementCount > MOST_ALERTS) this.#list.lastElementChild?.remove();
    if (!logged.history) setText(this.#announcer, announcement(logged.alert));
  }

  /** Shows what an operator said. @param {LoggedAlert} logged */
  mark({ alert, feedback }) {
    const item = /** @type {HTMLElement | null} */ (this.#list.querySelector(`[data-seq="${alert.seq}"]`));
    if (item === null) return;
    item.dataset.feedback = feedback.state;
    setText(find(item, ".alert-answer"), `${FEEDBACK_WORDS[feedback.state] ?? feedback.state} · ${timeOfDay(feedback.at)}`);
    for (const button of item.querySelectorAll("[data-feedback-state]")) {
      const said = /** @type {HTMLElement} */ (button).dataset.feedbackState === feedback.state;
      button.setAttribute("aria-pressed", String(said));
    }
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
    button.addEventListener("click", () => this.#events.onChosen(keyOf(alert)));
    button.append(headline(alert), element("span", "alert-why", alert.reasons.map(sentence).join(" ")));
    if (alert.seams.length > 0) button.append(seamLines(alert.seams));
    const details = valuesInWords(alert.values);
    if (details) button.append(element("span", "alert-values", details));
    if (Object.values(alert.engines).some((engine) => engine.baseline)) {
      button.append(element("span", "tag tag-baseline", "baseline encoders"));
    }
    item.append(button);
    if (alert.state !== "clear") item.append(this.#answers(alert));
    return item;
  }

  /** @param {any} alert @returns {HTMLElement} */
  #answers(alert) {
    const row = element("div", "alert-answers");
    for (const [state, words] of /** @type {const} */ ([["acknowledged", "Acknowledge"], ["false_alarm", "False alarm"]])) {
      const button = /** @type {HTMLButtonElement} */ (element("button", "answer operator-only", words));
      button.type = "button";
      button.dataset.feedbackState = state;
      button.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-label", `${words}: ${alert.participant} at ${clock(alert.time_s, 0)}`);
      button.addEventListener("click", () => this.#events.onFeedback(alert.seq, state));
      row.append(button);
    }
    row.append(element("span", "alert-answer"));
    return row;
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
