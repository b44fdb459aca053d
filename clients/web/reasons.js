/** What the monitor's identifiers mean, in sentences for a person. Pure. */

import { clock, decimal } from "./format.js";

/** @type {Readonly<Record<string, string>>} */
const SENTENCES = Object.freeze({
  identity_changed: "The face no longer matches the person seen earlier in this call.",
  lips_do_not_fit_voice: "The lips do not move with the voice that is heard.",
  not_the_reference: "The face is not like the person of the reference that was given.",
  no_face: "No face is visible.",
  face_too_small: "The face is too small in the picture; ask the person to come closer.",
  face_turned_away: "The face is turned away from the camera.",
  face_blurred: "The face is too blurred to compare.",
  landmarks_unsure: "The lips cannot be located reliably.",
  frozen: "The picture stands still, so it says nothing about the lips.",
  no_speech: "Nobody is speaking, so lips and voice cannot be compared.",
  no_audio: "No sound arrives from this participant.",
  no_video: "No video arrives from this participant.",
  no_track: "This participant sends no such track.",
  low_frame_rate: "Too few pictures a second arrive to compare the lips with the voice.",
  clock_unsure: "It is not certain yet which sound belongs to which picture, so lips and voice are not compared.",
  several_faces: "More than one face is in the picture, so nobody knows whose voice it is.",
  not_calibrated: "There is no calibration material of such quality, so these moments count for nothing.",
  not_enrolled: "The face has not been seen well for long enough to compare later moments with it.",
  quality_unknown: "The quality of the media could not be measured, so these moments count for nothing.",
  no_picture: "No picture arrives at the moment.",
  warming_up: "The monitor is still collecting the first seconds of this call.",
  overload: "This machine is busy; fewer pictures are looked at.",
  muted: "The microphone or the camera is muted.",
  loss: "Parts of the media were lost on the network.",
  dropped: "Parts of the media were dropped because processing fell behind.",
  ended: "A track of this participant has ended.",
  evidence_ran_out: "There is no longer enough evidence to judge.",
  consistent_again: "Face and voice have held together again for a while.",
  analysis_failed: "The analysis of this participant failed and has ended.",
});

const MANIPULATION = new Set(["identity_changed", "lips_do_not_fit_voice", "not_the_reference"]);

/**
 * @param {string} identifier
 * @returns {string} A sentence; an identifier that this page does not know is shown as it is.
 */
export function sentence(identifier) {
  return Object.hasOwn(SENTENCES, identifier) ? SENTENCES[identifier] : identifier;
}

/**
 * The verdict that a card shows. Warming up is told apart from insufficient evidence, but never hides a
 * verdict that has been reached.
 * @param {{verdict: string, status: string} | null} score
 * @returns {"genuine" | "suspicious" | "fake" | "insufficient" | "warming_up"}
 */
export function shownVerdict(score) {
  if (score === null) return "warming_up";
  switch (score.verdict) {
    case "genuine":
    case "suspicious":
    case "fake":
      return score.verdict;
    default:
      return score.status === "warming_up" ? "warming_up" : "insufficient";
  }
}

/** @type {Readonly<Record<string, string>>} */
export const VERDICT_WORDS = Object.freeze({
  genuine: "Genuine",
  suspicious: "Suspicious",
  fake: "Fake",
  insufficient: "Insufficient",
  warming_up: "Warming up",
  stale: "No update",
  left: "Has left",
});

/**
 * One sentence (two at most) that says why a card shows its verdict.
 * @param {object | null} score The newest ScoreUpdate.
 * @param {object | null} alert The newest alert of the same timeline.
 * @returns {string}
 */
export function explanation(score, alert) {
  if (score === null) return "Waiting for the first score of this participant.";
  const verdict = shownVerdict(score);
  const status = score.reasons.filter((/** @type {string} */ r) => !MANIPULATION.has(r));
  if (verdict === "suspicious" || verdict === "fake") return accusation(score, alert);
  if (verdict === "insufficient" || verdict === "warming_up") {
    const standing = score.state === "clear" ? [] : ["An earlier alarm still stands."];
    const otherwise = verdict === "warming_up" ? "warming_up" : "evidence_ran_out";
    const why = status.length > 0 ? status.slice(0, 2) : [otherwise];
    return [...standing, ...why.map(sentence)].join(" ");
  }
  return [reassurance(score), ...status.slice(0, 1).map(sentence)].join(" ");
}

/** @param {any} score @param {any} alert @returns {string} */
function accusation(score, alert) {
  const raised = alert !== null && alert.state === score.state ? alert : null;
  const found = [...score.reasons, ...(raised?.reasons ?? [])].find((r) => MANIPULATION.has(r));
  const what = found === undefined ? "Parts of this call contradict each other; see the maps." : sentence(found);
  return raised === null ? what : `${what} Since ${clock(raised.time_s, 0)}.`;
}

/** @param {any} score @returns {string} */
function reassurance(score) {
  const face = score.recent_intra ?? score.intra;
  const lips = score.recent_cross ?? score.cross;
  if (face !== null && lips !== null) return "The face stays the same, and the lips fit the voice.";
  if (face !== null) return "The face stays the same; lips and voice are not compared yet.";
  if (lips !== null) return "The lips fit the voice; the face is not compared yet.";
  return "Nothing contradicts so far.";
}

/**
 * @param {Record<string, number | null>} values Scores at an alert, by name.
 * @returns {string} Such as "cross −0.05 · intra 0.71"; empty where there is none.
 */
export function valuesInWords(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${decimal(value)}`)
    .join(" · ");
}
