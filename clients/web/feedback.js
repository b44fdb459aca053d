/** Saying something about an alert: one POST; the answer comes to every page as a message. */

/** @typedef {"acknowledged" | "false_alarm"} FeedbackState */

/** @type {Readonly<Record<string, string>>} */
export const FEEDBACK_WORDS = Object.freeze({
  acknowledged: "Acknowledged",
  false_alarm: "Marked as a false alarm",
});

/**
 * @param {number} seq
 * @param {FeedbackState} state
 * @returns {Promise<{told: any} | {problem: string, fix: string}>} What the monitor keeps now, or why it does not.
 */
export async function give(seq, state) {
  let response;
  try {
    response = await fetch(`/alerts/${seq}/feedback`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ state }),
    });
    const body = await response.json();
    if (response.ok) return { told: body };
    return { problem: body.detail, fix: body.fix };
  } catch {
    return { problem: "The monitor did not take this.", fix: "Check that it still runs, then try again." };
  }
}
