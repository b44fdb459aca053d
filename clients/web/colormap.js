/**
 * The colours of the heatmaps: dark is dissimilar, bright is similar. Pure.
 *
 * The ramp runs through a few control points of the OKLab space (Ottosson 2020) and is cut into 255 steps of
 * equal OKLab distance, so that equal differences of similarity look equally large; lightness only ever rises,
 * so the order survives colour blindness and greyscale.
 */

/** Lightness, chroma and hue in degrees. */
const CONTROL_POINTS = [
  [0.2, 0.075, 292],
  [0.36, 0.115, 272],
  [0.51, 0.1, 235],
  [0.65, 0.105, 188],
  [0.79, 0.145, 142],
  [0.94, 0.12, 102],
];

const STEPS = 255;

/** @typedef {[number, number, number]} Triple */

/** @param {number[]} lch @returns {Triple} */
function toLab([lightness, chroma, hueDegrees]) {
  const hue = (hueDegrees * Math.PI) / 180;
  return [lightness, chroma * Math.cos(hue), chroma * Math.sin(hue)];
}

/** @param {Triple} lab @returns {Triple} sRGB bytes, clipped to the gamut. */
function toRgb([lightness, a, b]) {
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
  return /** @type {Triple} */ (
    linear.map((value) => {
      const v = Math.min(1, Math.max(0, value));
      return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
    })
  );
}

/** @param {Triple} p @param {Triple} q @param {number} t @returns {Triple} */
function blend(p, q, t) {
  return /** @type {Triple} */ (p.map((value, i) => value + (q[i] - value) * t));
}

/** @returns {Uint8ClampedArray} STEPS RGB triples in equal OKLab steps. */
function buildRamp() {
  const points = CONTROL_POINTS.map(toLab);
  const travelled = [0];
  for (let i = 1; i < points.length; i += 1) {
    travelled.push(travelled[i - 1] + Math.hypot(...points[i].map((v, axis) => v - points[i - 1][axis])));
  }
  const ramp = new Uint8ClampedArray(3 * STEPS);
  let segment = 1;
  for (let step = 0; step < STEPS; step += 1) {
    const distance = (travelled[travelled.length - 1] * step) / (STEPS - 1);
    while (segment < points.length - 1 && travelled[segment] < distance) segment += 1;
    const along = (distance - travelled[segment - 1]) / (travelled[segment] - travelled[segment - 1]);
    ramp.set(toRgb(blend(points[segment - 1], points[segment], along)), 3 * step);
  }
  return ramp;
}

const RAMP = buildRamp();

/**
 * @param {number} position In [0, 1]; values outside are clipped.
 * @returns {Triple} sRGB bytes.
 */
export function colourAt(position) {
  const step = Math.round(Math.min(1, Math.max(0, position)) * (STEPS - 1));
  return [RAMP[3 * step], RAMP[3 * step + 1], RAMP[3 * step + 2]];
}

/** @returns {string} The ramp as a CSS gradient, dissimilar at the left. */
export function cssGradient() {
  const stops = Array.from({ length: 12 }, (_, i) => `rgb(${colourAt(i / 11).join(" ")})`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
