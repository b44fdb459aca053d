/** The panel with which a person sends a camera, or a call tab with its sound, to the monitor. */

import { find, setText } from "./dom.js";
import { PublishError, publish } from "./whip.js";

/** The monitor compares the voice as it was spoken, so the browser must not clean it up. */
const UNPROCESSED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const VIDEO = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } };

/** @typedef {"camera" | "tab"} Source */
/** @typedef {"idle" | "asking" | "connecting" | "live" | "interrupted" | "failed"} Phase */
/** @typedef {{call: string, participant: string, stream: MediaStream}} Own */

/** @type {Readonly<Record<string, [string, string]>>} */
const MEDIA_ERRORS = Object.freeze({
  NotAllowedError: [
    "The browser was not allowed to share.",
    "Allow it in the address bar (or in the system's privacy settings), then press the button again.",
  ],
  NotFoundError: ["No camera or no microphone was found.", "Connect both, then press the button again."],
  NotReadableError: ["The camera or the microphone is in use.", "Close the program that uses it, then try again."],
  OverconstrainedError: ["The camera cannot deliver a usable picture.", "Choose another camera in the browser."],
});

export class PublishPanel {
  /** @type {import("./whip.js").Session | null} */
  #session = null;
  /** @type {MediaStream | null} */
  #stream = null;
  #attempt = 0;
  #root;
  #onOwn;

  /**
   * @param {HTMLFormElement} root
   * @param {(own: Own | null) => void} onOwn What this page publishes, or null when it stops.
   */
  constructor(root, onOwn) {
    this.#root = root;
    this.#onOwn = onOwn;
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      const source = /** @type {SubmitEvent} */ (event).submitter?.dataset.source;
      if (source !== undefined) void this.#start(/** @type {Source} */ (source));
    });
    find(root, "[data-stop]").addEventListener("click", () => this.#stop("idle", "Stopped.", ""));
    window.addEventListener("pagehide", () => {
      if (this.#stream !== null) this.#stop("idle", "Stopped.", "");
    });
    this.#show("idle", "", "");
  }

  /** @param {Source} source */
  async #start(source) {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const given = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (find(this.#root, `[name="${name}"]`)).value.trim();
    const where = { call: given("call"), participant: given("participant") };
    this.#show("asking", "Waiting for the browser’s permission …", "");
    try {
      const stream = await capture(source);
      if (attempt !== this.#attempt) return stopTracks(stream);
      this.#stream = stream;
      this.#preview(stream);
      this.#show("connecting", "Connecting to the monitor …", "");
      const session = await publish(stream, where);
      if (attempt !== this.#attempt) return session.end();
      this.#session = session;
      this.#follow(attempt, stream, session, source);
      this.#onOwn({ ...where, stream });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const known = error instanceof PublishError ? error : mediaError(error);
      this.#stop("failed", known.message, known.fix);
    }
  }

  /**
   * Keeps the words on the panel true for as long as this attempt is the one that runs.
   * @param {number} attempt
   * @param {MediaStream} stream
   * @param {import("./whip.js").Session} session
   * @param {Source} source
   */
  #follow(attempt, stream, session, source) {
    const update = () => {
      if (attempt !== this.#attempt) return;
      const state = session.connection.connectionState;
      if (state === "connected") this.#show("live", ...liveWords(stream, source));
      if (state === "disconnected") {
        this.#show("interrupted", "The connection is interrupted.", "Waiting for it to come back.");
      }
      if (state === "failed") {
        this.#stop("failed", "The connection to the monitor was lost.", "Press a button to connect again.");
      }
    };
    session.connection.addEventListener("connectionstatechange", update);
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => {
        if (attempt === this.#attempt) this.#stop("idle", "Sharing was ended in the browser.", "");
      });
    }
    update();
  }

  /** @param {Phase} phase @param {string} text @param {string} fix */
  #stop(phase, text, fix) {
    this.#attempt += 1;
    const wasRunning = this.#stream !== null;
    this.#session?.end();
    this.#session = null;
    if (this.#stream !== null) stopTracks(this.#stream);
    this.#stream = null;
    this.#preview(null);
    this.#show(phase, text, fix);
    if (wasRunning) this.#onOwn(null);
  }

  /** @param {MediaStream | null} stream */
  #preview(stream) {
    const video = /** @type {HTMLVideoElement} */ (find(this.#root, "video"));
    video.srcObject = stream;
    video.hidden = stream === null;
  }

  /** @param {Phase} phase @param {string} text @param {string} fix */
  #show(phase, text, fix) {
    const running = phase !== "idle" && phase !== "failed";
    this.#root.dataset.phase = phase;
    for (const control of this.#root.querySelectorAll("input, [data-source]")) {
      /** @type {HTMLInputElement} */ (control).disabled = running;
    }
    /** @type {HTMLElement} */ (find(this.#root, "[data-stop]")).hidden = !running;
    setText(find(this.#root, "[data-words]"), text);
    setText(find(this.#root, "[data-fix]"), fix);
  }
}

/** @param {Source} source @returns {Promise<MediaStream>} */
async function capture(source) {
  if (navigator.mediaDevices === undefined) {
    const fix = "Open it over https, or as localhost on the machine itself.";
    throw new PublishError("The browser shares media only on a secure page.", fix);
  }
  if (source === "camera") {
    return navigator.mediaDevices.getUserMedia({ video: VIDEO, audio: UNPROCESSED });
  }
  const wishes = { systemAudio: "include", selfBrowserSurface: "exclude" };
  return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: VIDEO.frameRate }, audio: UNPROCESSED, ...wishes });
}

/** @param {MediaStream} stream @param {Source} source @returns {[string, string]} */
function liveWords(stream, source) {
  if (source === "tab" && stream.getAudioTracks().length === 0) {
    const fix = "Stop, share again, choose a browser tab and switch on “Also share tab audio”.";
    return ["Live, but the chosen tab gave no sound: lips and voice cannot be compared.", fix];
  }
  return [source === "tab" ? "Live: the tab is being watched." : "Live: your camera is being watched.", ""];
}

/** @param {unknown} error @returns {PublishError} */
function mediaError(error) {
  const name = error instanceof Error ? error.name : "";
  const [message, fix] = MEDIA_ERRORS[name] ?? ["The browser could not share.", "Reload the page and try again."];
  return new PublishError(message, fix);
}

/** @param {MediaStream} stream */
function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}
