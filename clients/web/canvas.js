/** Canvases that match the screen's pixels and the page's theme. */

/**
 * @typedef {object} Surface
 * @property {CanvasRenderingContext2D} context Scaled so that one unit is one CSS pixel.
 * @property {number} width In CSS pixels.
 * @property {number} height In CSS pixels.
 * @property {number} density Screen pixels per CSS pixel.
 */

/**
 * Sizes the canvas' store to its box and clears it.
 * @param {HTMLCanvasElement} canvas
 * @returns {Surface | null} Null while the canvas has no size.
 */
export function surface(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const context = canvas.getContext("2d");
  if (width === 0 || height === 0 || context === null) return null;
  const density = window.devicePixelRatio || 1;
  const [storeWidth, storeHeight] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== storeWidth) canvas.width = storeWidth;
  if (canvas.height !== storeHeight) canvas.height = storeHeight;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, density };
}

/** @type {CSSStyleDeclaration | null} */
let rootStyle = null;

/**
 * @param {string} name A custom property of the root element, such as "--ink".
 * @returns {string} Its value in the theme of the moment.
 */
export function themed(name) {
  rootStyle ??= getComputedStyle(document.documentElement);
  return rootStyle.getPropertyValue(name).trim();
}

/** @returns {string} The font of small labels in canvases. */
export function labelFont() {
  return `11px ${themed("--font")}`;
}
