/** A sound and a desktop notification for alarms. Both are off until a person turns them on. */

import { sentence } from "./reasons.js";
import { recall, remember } from "./remembered.js";

const SHORTEST_PAUSE_MS = 1_000;
const TONES_HZ = [880, 660];
const TONE_S = 0.16;
const LOUDNESS = 0.2;

/**
 * @typedef {object} SignalParts
 * @property {HTMLElement} sound The button that turns the sound on and off.
 * @property {HTMLElement} desktop The button that turns notifications on and off.
 * @property {(text: string, fix: string) => void} onProblem
 */

export class Signals {
  /** @type {AudioContext | null} */
  #audio = null;
  #soundedAtMs = -Infinity;
  #parts;

  /** @param {SignalParts} parts */
  constructor(parts) {
    this.#parts = parts;
    parts.sound.addEventListener("click", () => this.#setSound(!isOn(parts.sound)));
    parts.desktop.addEventListener("click", () => void this.#setDesktop(!isOn(parts.desktop)));
    setOn(parts.sound, recall("sound") === "on");
    setOn(parts.desktop, recall("desktop") === "on" && mayNotify());
    // A page may make sounds only after a person touched it, which a reload forgets.
    for (const gesture of ["pointerdown", "keydown"]) {
      window.addEventListener(gesture, () => isOn(parts.sound) && void this.#context().resume(), { once: true });
    }
  }

  /** Signals an alarm that was raised just now. @param {any} alert @param {number} nowMs */
  alarm(alert, nowMs) {
    if (isOn(this.#parts.sound) && nowMs - this.#soundedAtMs >= SHORTEST_PAUSE_MS) {
      this.#soundedAtMs = nowMs;
      this.#beep();
    }
    if (isOn(this.#parts.desktop) && mayNotify()) {
      const body = alert.reasons.map(sentence).join(" ");
      new Notification(`${alert.participant}: alert`, { body, tag: `seamwatch-${alert.seq}` });
    }
  }

  /** @param {boolean} on */
  #setSound(on) {
    setOn(this.#parts.sound, on);
    remember("sound", on ? "on" : "off");
    if (on) this.#beep();
  }

  /** @param {boolean} on */
  async #setDesktop(on) {
    if (on && !mayNotify()) await askToNotify();
    if (on && !mayNotify()) {
      this.#parts.onProblem("The browser does not allow notifications.", "Allow them in the address bar, then try again.");
    }
    setOn(this.#parts.desktop, on && mayNotify());
    remember("desktop", on && mayNotify() ? "on" : "off");
  }

  /** @returns {AudioContext} */
  #context() {
    this.#audio ??= new AudioContext();
    return this.#audio;
  }

  #beep() {
    const audio = this.#context();
    void audio.resume();
    const volume = audio.createGain();
    const [start, end] = [audio.currentTime, audio.currentTime + TONES_HZ.length * TONE_S];
    volume.gain.setValueAtTime(LOUDNESS, start);
    volume.gain.exponentialRampToValueAtTime(0.001, end);
    const tone = audio.createOscillator();
    TONES_HZ.forEach((hz, index) => tone.frequency.setValueAtTime(hz, start + index * TONE_S));
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(end);
  }
}

/** @returns {boolean} */
function mayNotify() {
  return "Notification" in window && Notification.permission === "granted";
}

async function askToNotify() {
  if ("Notification" in window) await Notification.requestPermission();
}

/** @param {HTMLElement} button @returns {boolean} */
function isOn(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/** @param {HTMLElement} button @param {boolean} on */
function setOn(button, on) {
  button.setAttribute("aria-pressed", String(on));
}
