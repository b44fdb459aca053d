/** The calls that the monitor joins by itself, and the list that shows them. Memory is bounded. */

import { element, setText } from "./dom.js";

const MOST_CALLS = 16;
const SHOWN_AFTER_END_MS = 45_000;

/** @typedef {{call: string, state: string, reason: string, endedAtMs: number | null}} CallRecord */

/** @type {Readonly<Record<string, string>>} */
const WORDS = Object.freeze({
  joining: "joining …",
  joined: "joined",
  reconnecting: "reconnecting …",
  ended: "ended",
});

/** The model: pure, time is an argument. */
export class Calls {
  /** @type {Map<string, CallRecord>} */
  #records = new Map();

  /** @returns {CallRecord[]} In order of appearance. */
  get all() {
    return [...this.#records.values()];
  }

  /** @param {any} message A Call. @param {number} nowMs */
  apply(message, nowMs) {
    const known = this.#records.has(message.call);
    if (!known && (message.state === "ended" || this.#records.size >= MOST_CALLS)) return;
    const { call, state, reason } = message;
    this.#records.set(call, { call, state, reason, endedAtMs: state === "ended" ? nowMs : null });
  }

  /** After a (re)connection the monitor tells of every call that it is in. */
  connected() {
    this.#records.clear();
  }

  /** Lets go of those that ended. @param {number} nowMs */
  expire(nowMs) {
    for (const { call, endedAtMs } of this.all) {
      if (endedAtMs !== null && nowMs - endedAtMs > SHOWN_AFTER_END_MS) this.#records.delete(call);
    }
  }
}

/**
 * @param {HTMLElement} list
 * @param {CallRecord[]} records
 */
export function drawCalls(list, records) {
  while (list.childElementCount > records.length) list.lastElementChild?.remove();
  while (list.childElementCount < records.length) list.append(callItem());
  records.forEach((record, index) => {
    const item = /** @type {HTMLElement} */ (list.children[index]);
    Object.assign(item.dataset, { call: record.call, callState: record.state });
    setText(item.children[1], `${record.call}: ${WORDS[record.state] ?? record.state}`);
    setText(item.children[2], record.reason);
  });
}

/** @returns {HTMLElement} */
function callItem() {
  const item = element("li", "call");
  item.append(element("span", "dot"), element("span", "call-words"), element("span", "call-reason"));
  return item;
}
