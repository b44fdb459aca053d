/** Sending media to the monitor: WebRTC with WHIP signalling (RFC 9725). */

const GATHERING_LIMIT_MS = 3_000;

/** A failure in words for a person: what happened, and what to do. */
export class PublishError extends Error {
  /** @param {string} message @param {string} fix */
  constructor(message, fix) {
    super(message);
    this.fix = fix;
  }
}

/**
 * @typedef {object} Session
 * @property {RTCPeerConnection} connection
 * @property {() => void} end Closes the connection and tells the monitor, even while the page goes away.
 */

/**
 * @param {MediaStream} stream
 * @param {{call: string, participant: string}} where
 * @returns {Promise<Session>}
 * @throws {PublishError} When the monitor refuses or cannot be reached.
 */
export async function publish(stream, { call, participant }) {
  const connection = new RTCPeerConnection({ iceServers: [] });
  try {
    for (const track of stream.getTracks()) {
      connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
    await connection.setLocalDescription();
    await gathered(connection);
    const path = [call, participant].map(encodeURIComponent).join("/");
    const response = await post(`/whip/${path}`, connection.localDescription?.sdp ?? "");
    const location = response.headers.get("Location");
    const resource = location === null ? null : new URL(location, response.url).href;
    const end = () => {
      connection.close();
      if (resource !== null) fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
    };
    try {
      await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    } catch {
      end();
      throw new PublishError("The monitor's answer cannot be used.", "Reload the page and try again.");
    }
    return { connection, end };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** @param {RTCPeerConnection} connection @returns {Promise<void>} Once all addresses are known, or time is up. */
function gathered(connection) {
  return new Promise((resolve) => {
    const done = () => {
      window.clearTimeout(limit);
      connection.removeEventListener("icegatheringstatechange", check);
      resolve();
    };
    const check = () => {
      if (connection.iceGatheringState === "complete") done();
    };
    const limit = window.setTimeout(done, GATHERING_LIMIT_MS);
    connection.addEventListener("icegatheringstatechange", check);
    check();
  });
}

/** @param {string} url @param {string} offer @returns {Promise<Response>} */
async function post(url, offer) {
  let response;
  try {
    response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: offer });
  } catch {
    throw new PublishError("The monitor cannot be reached.", "Check that it still runs, then try again.");
  }
  if (response.status !== 201) throw await refusal(response);
  return response;
}

/** @type {Readonly<Record<number, [string, string]>>} */
const REFUSALS = Object.freeze({
  401: ["The monitor does not know this browser.", "Open the page with the link that the monitor printed."],
  403: ["The monitor does not allow this.", "Open the page with the link that the monitor printed."],
  404: ["The monitor does not take this call or name.", "Choose another call and another name."],
  409: ["Somebody with this name is already in the call.", "Choose another name."],
  429: ["The monitor is busy.", "Try again in a minute."],
  503: ["The monitor has no room for another participant.", "Wait until somebody leaves, then try again."],
});

/** The monitor's own words where it gives them (RFC 9457). @param {Response} response @returns {Promise<PublishError>} */
async function refusal(response) {
  const fallback = [`The monitor refused with status ${response.status}.`, "Try again; if it stays, look at its log."];
  const [message, fix] = REFUSALS[response.status] ?? fallback;
  try {
    const body = await response.json();
    return new PublishError(body.detail ?? message, body.fix ?? fix);
  } catch {
    return new PublishError(message, fix);
  }
}
