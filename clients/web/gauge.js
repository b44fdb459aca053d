/** The sequential test of one participant: evidence against its threshold, as a bar and in words. */

import { element, setText } from "./dom.js";
import { decimal } from "./format.js";
import { sentence } from "./reasons.js";

const MOST_REASONS = 2;
const MOSTLY = 0.65;
const HARDLY = 0.05;

/** @type {readonly (readonly [number, string])[]} */
const FRACTIONS = Object.freeze([
  [0.1, "A tenth of the way"],
  [0.25, "A quarter of the way"],
  [1 / 3, "A third of the way"],
  [0.5, "Halfway"],
  [2 / 3, "Two thirds of the way"],
  [0.75, "Three quarters of the way"],
  [0.9, "Nine tenths of the way"],
]);

/** @type {Readonly<Record<string, string>>} */
const CHANNELS = Object.freeze({
  identity_changed: "the face",
  lips_do_not_fit_voice: "lips and voice",
  not_the_reference: "the reference",
});

/**
 * @param {number} progress Share of the way to an alarm, in [0, 1].
 * @returns {string}
 */
export function progressInWords(progress) {
  if (progress >= 1) return "Enough evidence for an alarm";
  if (progress < HARDLY) return "Hardly any evidence so far";
  const nearest = FRACTIONS.reduce((best, next) =>
    Math.abs(next[0] - progress) < Math.abs(best[0] - progress) ? next : best,
  );
  return `${nearest[1]} to an alarm`;
}

/**
 * @param {Record<string, number>} channels Evidence in nats by reason.
 * @returns {{reason: string, share: number}[]} Those with evidence, and their share of it, largest first.
 */
export function sharesOf(channels) {
  const given = Object.entries(channels).filter(([, nats]) => nats > 0);
  const total = given.reduce((sum, [, nats]) => sum + nats, 0);
  return given.map(([reason, nats]) => ({ reason, share: nats / total })).sort((a, b) => b.share - a.share);
}

/**
 * @param {any} test A TestState.
 * @param {boolean} stands Whether an alarm stands; its evidence then wears off until it is lifted.
 * @returns {string} Such as "A third of the way to an alarm; mostly lips and voice."
 */
export function testInWords(test, stands) {
  const progress = stands && test.progress < 1 ? "The alarm stands" : progressInWords(test.progress);
  const shares = sharesOf(test.channels);
  if (test.progress < HARDLY || shares.length === 0) return `${progress}.`;
  const [most] = shares;
  const name = (/** @type {string} */ reason) => CHANNELS[reason] ?? reason.replaceAll("_", " ");
  if (shares.length === 1) return `${progress}; only ${name(most.reason)}.`;
  if (most.share >= MOSTLY) return `${progress}; mostly ${name(most.reason)}.`;
  return `${progress}; from ${shares.map(({ reason }) => name(reason)).join(" as well as ")}.`;
}

/** @param {number} perHour False alarms per participant-hour. @returns {string} Such as "one false alarm in 24 participant-hours". */
export function rateInWords(perHour) {
  if (perHour > 1) return `${decimal(perHour, 1)} false alarms in a participant-hour`;
  const hours = Math.round(1 / perHour);
  return `one false alarm in ${hours === 1 ? "a participant-hour" : `${hours} participant-hours`}`;
}

/**
 * @param {any} test A TestState.
 * @param {string[]} told Reasons that the card tells already.
 * @returns {string} What the test cannot do now, in sentences; empty if nothing.
 */
export function limitsInWords(test, told) {
  const missing = test.reasons.filter((/** @type {string} */ reason) => !told.includes(reason));
  const rate = rateInWords(test.false_alarms_per_hour);
  const unverified = `Not verified: the calibration material is too small for ${rate}.`;
  return [...missing.slice(0, MOST_REASONS).map(sentence), ...(test.supported ? [] : [unverified])].join(" ");
}

/**
 * Writes a test into a card's gauge.
 * @param {HTMLElement} root Holds the parts of the page's template.
 * @param {any} score The newest ScoreUpdate, or null.
 */
export function showTest(root, score) {
  const test = score?.test ?? null;
  root.hidden = test === null;
  if (test === null) return;
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-test="${name}"]`));
  const words = testInWords(test, score.state === "alert");
  setText(part("words"), words);
  setText(part("nats"), `${decimal(test.evidence, 1)} of ${decimal(test.threshold, 1)} nats`);
  const limits = limitsInWords(test, score.reasons);
  setText(part("limits"), limits);
  part("limits").hidden = limits === "";
  part("limits").classList.toggle("is-unsupported", !test.supported);
  root.title = `The threshold is set for ${rateInWords(test.false_alarms_per_hour)}.`;
  const meter = part("meter");
  meter.setAttribute("aria-valuemax", String(test.threshold));
  meter.setAttribute("aria-valuenow", String(Math.min(test.evidence, test.threshold)));
  meter.setAttribute("aria-valuetext", words);
  showShares(meter, test);
}

/** @param {HTMLElement} meter @param {any} test */
function showShares(meter, test) {
  const shares = sharesOf(test.channels);
  while (meter.childElementCount > shares.length) meter.lastElementChild?.remove();
  while (meter.childElementCount < shares.length) meter.append(element("span", "share"));
  shares.forEach(({ reason, share }, index) => {
    const bar = /** @type {HTMLElement} */ (meter.children[index]);
    bar.dataset.channel = reason;
    bar.style.width = `${100 * Math.min(1, test.progress) * share}%`;
  });
}
