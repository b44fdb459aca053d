/** The `/alerts` subscription: resumes where it stopped, reconnects with backoff, never delivers an alert twice. */

const SUBPROTOCOL = "seamwatch.alerts.v1";
const CLOSE_UNAUTHORISED = 4401;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** @typedef {"connecting" | "live" | "reconnecting" | "refused"} ConnectionState */

/**
 * @typedef {object} SocketEvents
 * @property {(message: any) => void} onMessage Every message; alerts once each, in order of `seq`.
 * @property {(state: ConnectionState) => void} onState
 * @property {() => void} onReset The monitor's alert store was replaced: what was received is void.
 */

export class AlertsSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  #lastSeq = 0;
  #retryMs = FIRST_RETRY_MS;
  #everLive = false;
  #events;

  /** @param {SocketEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /** Connects now, and again after every loss. */
  connect() {
    this.#events.onState(this.#everLive ? "reconnecting" : "connecting");
    const url = new URL(`/alerts?matrices=1&after=${this.#lastSeq}`, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#closed(event.code);
    });
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parsed(data);
    if (message === null) return;
    if (message.type === "hello") this.#greeted(message);
    if (message.type === "alert") {
      if (message.seq <= this.#lastSeq) return;
      this.#lastSeq = message.seq;
    }
    this.#events.onMessage(message);
  }

  /** @param {{after: number}} hello */
  #greeted(hello) {
    this.#retryMs = FIRST_RETRY_MS;
    this.#everLive = true;
    if (hello.after < this.#lastSeq) {
      this.#lastSeq = hello.after;
      this.#events.onReset();
    }
    this.#events.onState("live");
  }

  /** @param {number} code */
  #closed(code) {
    if (code === CLOSE_UNAUTHORISED) {
      this.#events.onState("refused");
      return;
    }
    this.#events.onState(this.#everLive ? "reconnecting" : "connecting");
    const delayMs = this.#retryMs * (0.75 + 0.5 * Math.random());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, 2 * this.#retryMs);
    window.setTimeout(() => this.connect(), delayMs);
  }
}

/**
 * @param {unknown} data
 * @returns {any} The message, or null for anything that version 1 does not define.
 */
function parsed(data) {
  if (typeof data !== "string") return null;
  try {
    const message = JSON.parse(data);
    return message !== null && message.v === 1 && typeof message.type === "string" ? message : null;
  } catch {
    return null;
  }
}
