/** Numbers and times as the page writes them. Pure. */

const MISSING = "–";

/**
 * Call time as m:ss.t, or h:mm:ss.t from one hour on.
 * @param {number} seconds
 * @param {number} [digits] Digits after the point, 0 or 1.
 * @returns {string}
 */
export function clock(seconds, digits = 1) {
  const unit = 10 ** digits;
  const total = Math.round(Math.max(0, seconds) * unit);
  const wholeSeconds = Math.floor(total / unit);
  const hours = Math.floor(wholeSeconds / 3600);
  const minutes = Math.floor(wholeSeconds / 60) % 60;
  const rest = String(wholeSeconds % 60).padStart(2, "0");
  const fraction = digits > 0 ? `.${total % unit}` : "";
  const head = hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}` : String(minutes);
  return `${head}:${rest}${fraction}`;
}

/**
 * A value with fixed digits and a true minus sign; a dash where there is none.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 * @returns {string}
 */
export function decimal(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/**
 * @param {number | null | undefined} fraction In [0, 1].
 * @returns {string}
 */
export function percent(fraction) {
  if (fraction === null || fraction === undefined) return MISSING;
  return `${Math.round(fraction * 100)} %`;
}

/**
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function milliseconds(value) {
  if (value === null || value === undefined) return MISSING;
  return `${decimal(value, 0)} ms`;
}

/**
 * @param {number} count
 * @param {string} singular
 * @param {string} [plural]
 * @returns {string}
 */
export function counted(count, singular, plural = `${singular}s`) {
  return `${count} ${count === 1 ? singular : plural}`;
}

/**
 * Local wall-clock time of an RFC 3339 stamp; the stamp itself where it cannot be read.
 * @param {string} stamp
 * @returns {string}
 */
export function timeOfDay(stamp) {
  const date = new Date(stamp);
  if (Number.isNaN(date.getTime())) return stamp;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * A pair of moments that disagree, in one line.
 * @param {{kind: string, a: [number, number], b: [number, number], value: number}} seam
 * @returns {string}
 */
export function seamInWords(seam) {
  const [first, second] = [clock(seam.a[0]), clock(seam.b[0])];
  const pair = seam.kind === "cross" ? `lips ${first} vs voice ${second}` : `face ${first} vs ${second}`;
  return `${pair}, similarity ${decimal(seam.value)}`;
}
