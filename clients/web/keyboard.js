/** The page by keyboard: moving between participants and alerts, and answering alerts. */

/**
 * @typedef {object} KeyboardParts
 * @property {HTMLElement} cards Holds the participants' cards.
 * @property {HTMLElement} alerts Holds the alerts, newest first.
 * @property {HTMLDialogElement} help
 * @property {() => boolean} enabled Whether keys do anything.
 * @property {(chosen: HTMLElement | null, state: import("./feedback.js").FeedbackState) => void} onFeedback
 *   The alert or the card that has the focus, or null.
 */

export class Keyboard {
  #parts;

  /** @param {KeyboardParts} parts */
  constructor(parts) {
    this.#parts = parts;
    document.addEventListener("keydown", (event) => {
      if (this.#isForUs(event) && this.#handled(event.key)) event.preventDefault();
    });
  }

  /** @param {KeyboardEvent} event @returns {boolean} */
  #isForUs(event) {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select, canvas, dialog");
    const combined = event.ctrlKey || event.altKey || event.metaKey;
    return !event.defaultPrevented && !typing && !combined && this.#parts.enabled();
  }

  /** @param {string} key @returns {boolean} Whether the key means something here. */
  #handled(key) {
    const { cards, alerts, help } = this.#parts;
    switch (key) {
      case "j":
        return this.#move(1);
      case "k":
        return this.#move(-1);
      case "ArrowDown":
        return this.#chosen() !== null && this.#move(1);
      case "ArrowUp":
        return this.#chosen() !== null && this.#move(-1);
      case "p":
        return focus(stops(cards)[0]);
      case "n":
        return focus(stops(alerts)[0]);
      case "a":
        this.#parts.onFeedback(this.#chosen(), "acknowledged");
        return true;
      case "f":
        this.#parts.onFeedback(this.#chosen(), "false_alarm");
        return true;
      case "?":
        help.showModal();
        return true;
      default:
        return false;
    }
  }

  /** @returns {HTMLElement | null} The alert or the card that holds the focus. */
  #chosen() {
    return document.activeElement?.closest(".alert, .card") ?? null;
  }

  /** @param {number} step @returns {boolean} */
  #move(step) {
    const { cards, alerts } = this.#parts;
    const among = stops(alerts.contains(document.activeElement) ? alerts : cards);
    const here = among.findIndex((stop) => this.#chosen()?.contains(stop));
    return focus(among[here < 0 ? 0 : Math.min(among.length - 1, Math.max(0, here + step))]);
  }
}

/** @param {HTMLElement} list @returns {HTMLElement[]} What the focus rests on: a card, or the body of an alert. */
function stops(list) {
  return [...list.children].map((child) => /** @type {HTMLElement} */ (child.querySelector(".alert-body") ?? child));
}

/** @param {HTMLElement | undefined} stop @returns {boolean} */
function focus(stop) {
  stop?.focus();
  stop?.scrollIntoView({ block: "nearest" });
  return stop !== undefined;
}
