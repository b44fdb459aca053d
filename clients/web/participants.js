/** The model of who is in the calls. Pure: time is an argument, nothing touches the page. Memory is bounded. */

import { remembered } from "./reception.js";

export const CURVE_MEMORY_S = 300;
const MOST_POINTS = 1500;
export const MOST_PARTICIPANTS = 64;
const STALE_AFTER_MS = 5_000;
const UNCONFIRMED_FOR_MS = 10_000;
const REMOVED_AFTER_MS = 45_000;
const SAME_TIMELINE_MS = 10_000;

/**
 * @typedef {object} CurvePoint
 * @property {number} timeS Call time.
 * @property {number | null} intra Newest face against its own past.
 * @property {number | null} cross Newest lips against the voice.
 * @property {number | null} intraAll The paper's Score_intra over the windows in memory.
 * @property {number | null} crossAll The paper's Score_cross over the windows in memory.
 */

/**
 * @typedef {object} ParticipantRecord
 * @property {string} key
 * @property {string} call
 * @property {string} name
 * @property {any} score Newest ScoreUpdate, or null.
 * @property {any} matrices Newest Matrices, or null.
 * @property {any[]} receptions Newest ReceptionUpdates, oldest first.
 * @property {CurvePoint[]} points
 * @property {number | null} leftAtMs
 * @property {number} heardAtMs When anything last arrived.
 * @property {boolean} confirmed Known to be present on this connection.
 * @property {number | null} zeroAtMs Wall clock at call time zero, as seen from here.
 */

/**
 * @param {{call: string, participant: string}} message
 * @returns {string}
 */
export function keyOf(message) {
  return `${message.call}\n${message.participant}`;
}

export class Roster {
  /** @type {Map<string, ParticipantRecord>} */
  #records = new Map();
  #connectedAtMs = 0;

  /** Whether somebody is not shown because the page is full. */
  overflowed = false;

  /** @returns {ParticipantRecord[]} In order of appearance. */
  get all() {
    return [...this.#records.values()];
  }

  /** @returns {number} */
  get presentCount() {
    return this.all.filter((record) => record.leftAtMs === null).length;
  }

  /** @param {string} key @returns {ParticipantRecord | undefined} */
  get(key) {
    return this.#records.get(key);
  }

  /**
   * Takes a participant, score, reception or matrices message.
   * @param {any} message
   * @param {number} nowMs
   * @returns {string | null} Key of the participant that changed.
   */
  apply(message, nowMs) {
    if (message.type === "participant" && message.state === "left") {
      const leaving = this.#records.get(keyOf(message));
      if (leaving === undefined) return null;
      leaving.leftAtMs = nowMs;
      return leaving.key;
    }
    const record = this.#present(message, nowMs);
    if (record === null) return null;
    if (message.type === "score") takeScore(record, message, nowMs);
    if (message.type === "reception") record.receptions = remembered(record.receptions, message);
    if (message.type === "matrices") record.matrices = message;
    return record.key;
  }

  /** After a (re)connection everybody has to be heard of again. @param {number} nowMs */
  connected(nowMs) {
    this.#connectedAtMs = nowMs;
    for (const record of this.#records.values()) record.confirmed = false;
  }

  /**
   * Lets go of those who left, and of those who vanished while the connection was down.
   * @param {number} nowMs
   * @returns {string[]} Keys of the removed.
   */
  expire(nowMs) {
    const removed = [];
    for (const record of this.#records.values()) {
      const vanished = !record.confirmed && nowMs - this.#connectedAtMs > UNCONFIRMED_FOR_MS;
      if (record.leftAtMs === null && vanished) record.leftAtMs = nowMs;
      if (record.leftAtMs !== null && nowMs - record.leftAtMs > REMOVED_AFTER_MS) removed.push(record.key);
    }
    for (const key of removed) this.#records.delete(key);
    return removed;
  }

  /** @param {any} message @param {number} nowMs @returns {ParticipantRecord | null} Null when full. */
  #present(message, nowMs) {
    const key = keyOf(message);
    let record = this.#records.get(key);
    this.overflowed ||= record === undefined && this.#records.size >= MOST_PARTICIPANTS;
    if (record === undefined && this.#records.size >= MOST_PARTICIPANTS) return null;
    if (record === undefined || record.leftAtMs !== null) {
      record = {
        key,
        call: message.call,
        name: message.participant,
        score: null,
        matrices: null,
        receptions: [],
        points: [],
        leftAtMs: null,
        heardAtMs: nowMs,
        confirmed: true,
        zeroAtMs: null,
      };
      this.#records.set(key, record);
    }
    record.confirmed = true;
    record.heardAtMs = nowMs;
    return record;
  }
}

/** @param {ParticipantRecord} record @param {any} score @param {number} nowMs */
function takeScore(record, score, nowMs) {
  const last = record.points.at(-1);
  if (last !== undefined && score.time_s < last.timeS) {
    record.points = [];
    record.matrices = null;
  }
  if (last !== undefined && score.time_s === last.timeS) record.points.pop();
  record.score = score;
  record.zeroAtMs = nowMs - 1000 * score.time_s;
  record.points.push({
    timeS: score.time_s,
    intra: score.recent_intra,
    cross: score.recent_cross,
    intraAll: score.intra,
    crossAll: score.cross,
  });
  const oldestS = score.time_s - CURVE_MEMORY_S;
  const expired = record.points.findIndex((point) => point.timeS >= oldestS);
  record.points.splice(0, Math.max(expired, record.points.length - MOST_POINTS));
}

/**
 * @param {ParticipantRecord} record
 * @param {number} nowMs
 * @param {boolean} live Whether the connection is up.
 * @returns {number | null} Seconds without news where that is too long to trust the verdict, else null.
 */
export function staleForS(record, nowMs, live) {
  const silentMs = nowMs - record.heardAtMs;
  if (record.leftAtMs !== null) return null;
  return !live || silentMs > STALE_AFTER_MS ? Math.max(0, Math.round(silentMs / 1000)) : null;
}

/**
 * A name can come back in a later call, with its clock at zero again; its old alerts belong to another timeline.
 * @param {ParticipantRecord} record
 * @param {import("./alerts.js").LoggedAlert} logged
 * @returns {boolean}
 */
export function onSameTimeline(record, logged) {
  if (keyOf(logged.alert) !== record.key || record.zeroAtMs === null) return false;
  return Math.abs(logged.atMs - (record.zeroAtMs + 1000 * logged.alert.time_s)) < SAME_TIMELINE_MS;
}
