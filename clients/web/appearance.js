/** The button that chooses between the system's theme, light and dark. */

import { recall, remember } from "./remembered.js";

const NEXT = Object.freeze({ system: "light", light: "dark", dark: "system" });

/** @type {Readonly<Record<string, string>>} */
const WORDS = Object.freeze({
  system: "Theme: as the system",
  light: "Theme: light",
  dark: "Theme: dark",
});

/** @param {HTMLElement} button */
export function offerThemes(button) {
  let choice = Object.hasOwn(NEXT, recall("theme") ?? "") ? /** @type {keyof typeof NEXT} */ (recall("theme")) : "system";
  const show = () => {
    button.dataset.choice = choice;
    button.title = WORDS[choice];
    button.setAttribute("aria-label", WORDS[choice]);
  };
  button.addEventListener("click", () => {
    choice = /** @type {keyof typeof NEXT} */ (NEXT[choice]);
    remember("theme", choice);
    document.dispatchEvent(new Event("themechosen"));
    show();
  });
  show();
}
