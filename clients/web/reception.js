/** How a participant's media comes in, in words. Pure. */

import { counted, decimal, milliseconds } from "./format.js";

/** About twelve seconds: long enough for a loss in percent, short enough to be about now. */
const MOST_RECEPTIONS = 6;
const POOR_LOSS = 0.02;
const FEWEST_PICTURES_HZ = 10;
const UNSURE_FROM_MS = 40;

/** @typedef {{text: string, poor: boolean}} Remark */

/**
 * @param {any[]} receptions ReceptionUpdates of one connection, oldest first.
 * @param {any} newest
 * @returns {any[]} With the newest one, and without those of a connection before.
 */
export function remembered(receptions, newest) {
  const last = receptions.at(-1);
  const restarted = last !== undefined && ["audio", "video"].some((kind) => packets(newest[kind]) < packets(last[kind]));
  return [...(restarted ? [] : receptions), newest].slice(-MOST_RECEPTIONS);
}

/**
 * @param {any[]} receptions As `remembered` keeps them; at least one.
 * @returns {Remark[]} What matters most, each in a few words.
 */
export function remarks(receptions) {
  const newest = receptions[receptions.length - 1];
  const tracks = tracksOf(newest);
  const loss = recentLoss(receptions);
  const jitterMs = Math.max(0, ...tracks.map((track) => track.jitter_ms));
  return [
    ...pictureRemarks(newest),
    { text: `${decimal(100 * loss, 1)} % lost`, poor: loss >= POOR_LOSS },
    { text: `jitter ${milliseconds(jitterMs)}`, poor: false },
    ...(newest.video?.freezes > 0 ? [{ text: counted(newest.video.freezes, "freeze"), poor: false }] : []),
    ...syncRemarks(newest),
  ];
}

/**
 * @param {any} reception
 * @returns {[string, string, string][]} Rows of a table: what, sound, picture.
 */
export function counters(reception) {
  const { audio, video } = reception;
  /** @type {[string, string, (value: any) => string][]} */
  const rows = [
    ["Packets", "packets", String],
    ["Given up", "lost", String],
    ["Came late or again", "recovered", String],
    ["Asked for again", "nacks", String],
    ["Key frames asked for", "key_frame_requests", String],
    ["Decoded", "frames", String],
    ["Damaged", "damaged", String],
    ["Freezes", "freezes", String],
    ["Missing", "missing_ms", milliseconds],
    ["Dropped here", "dropped", String],
    ["Jitter", "jitter_ms", milliseconds],
  ];
  const cell = (/** @type {any} */ track, /** @type {string} */ name, /** @type {(v: any) => string} */ write) =>
    track === null ? "–" : write(track[name]);
  const pictureOnly = new Set(["key_frame_requests", "freezes"]);
  return rows.map(([what, name, write]) => [
    what,
    pictureOnly.has(name) ? "" : cell(audio, name, write),
    cell(video, name, write),
  ]);
}

/** @param {any} reception @returns {string} What the alignment rests on, in a sentence. */
export function alignment(reception) {
  const seat = `Seat ${reception.seat} on /metrics.`;
  if (reception.sync === "single") return `There is only one track, so nothing to align. ${seat}`;
  const source = reception.sync === "reports" ? "the sender’s reports" : "the times of arrival";
  const exactness = `to within ${milliseconds(reception.uncertainty_ms)}`;
  const shift = `this moves the pictures by ${milliseconds(reception.skew_ms)}`;
  return `Sound and picture are aligned by ${source}, ${exactness}; ${shift}. ${seat}`;
}

/** @param {any} reception @returns {Remark[]} */
function pictureRemarks(reception) {
  const { video, width, height } = reception;
  if (video === null) return [{ text: "sound only", poor: true }];
  const size = width > 0 ? [{ text: `${width}×${height}`, poor: false }] : [];
  if (video.rate_hz === null) return size;
  const poor = video.rate_hz < FEWEST_PICTURES_HZ;
  return [...size, { text: `${decimal(video.rate_hz, 0)} fps`, poor }];
}

/** @param {any} reception @returns {Remark[]} */
function syncRemarks(reception) {
  const range = `±${milliseconds(reception.uncertainty_ms)}`;
  if (reception.sync === "single") return [];
  if (reception.uncertainty_ms > UNSURE_FROM_MS) return [{ text: `clocks unsure ${range}`, poor: true }];
  const words = reception.sync === "reports" ? "in sync" : "in sync by arrival";
  return [{ text: `${words} ${range}`, poor: false }];
}

/** @param {any[]} receptions @returns {number} Share of the packets, of the worse track; in [0, 1]. */
function recentLoss(receptions) {
  const newest = receptions[receptions.length - 1];
  const before = receptions.length > 1 ? receptions[0] : null;
  const shares = ["audio", "video"].map((kind) => {
    const [now, then] = [newest[kind], before?.[kind] ?? null];
    if (now === null) return 0;
    const lost = now.lost - (then?.lost ?? 0);
    const came = now.packets - (then?.packets ?? 0);
    return lost > 0 ? lost / (lost + came) : 0;
  });
  return Math.max(...shares);
}

/** @param {any} reception @returns {any[]} */
function tracksOf(reception) {
  return [reception.audio, reception.video].filter((track) => track !== null);
}

/** @param {any} track @returns {number} */
function packets(track) {
  return track?.packets ?? 0;
}
