/** What a person chose on this page, kept in this browser only. */

const PREFIX = "seamwatch.";

/**
 * @param {string} name
 * @returns {string | null} Null where nothing was chosen, or where the browser keeps nothing.
 */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // The choice then lasts until the page is closed.
  }
}
