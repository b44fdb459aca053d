/** A person in a call: sends camera and microphone, mutes, switches the camera off, leaves. */

import { CaptureTimes } from "./capture_times.js";
import { VideoRoom } from "./janus.js";

const UNPROCESSED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const AS_PLAYED = { resizeMode: "none" };
const THINNED_OUT = { resizeMode: "crop-and-scale" };

class Participant {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {RTCPeerConnection | null} */
  #connection = null;
  /** @type {VideoRoom | null} */
  #room = null;
  /** @type {CaptureTimes | null} */
  #captureTimes = null;

  /** @type {MediaTrackConstraints} */
  #pictures = AS_PLAYED;

  /** @param {number} perSecond So many pictures are sent, and not all that the camera delivers. */
  thinOut(perSecond) {
    this.#pictures = { ...THINNED_OUT, frameRate: { exact: perSecond } };
  }

  /** @param {string} url @param {number} room @param {string} name */
  async join(url, room, name) {
    this.#room = await VideoRoom.open(url);
    await this.#room.ask({ request: "join", ptype: "publisher", room, display: name });
    const offer = await this.offer();
    const answer = await this.#room.ask({ request: "publish", display: name }, { type: "offer", sdp: offer });
    await this.answered(answer.jsep.sdp);
  }

  async openDevices() {
    this.#stream ??= await navigator.mediaDevices.getUserMedia({ audio: UNPROCESSED, video: this.#pictures });
  }

  /** @returns {Promise<string>} An offer with all addresses. */
  async offer() {
    await this.openDevices();
    const connection = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.#connection = connection;
    for (const track of this.#stream?.getTracks() ?? []) {
      connection.addTransceiver(track, { direction: "sendonly" });
    }
    await connection.setLocalDescription();
    await reached(connection, "icegatheringstatechange", () => connection.iceGatheringState === "complete");
    return connection.localDescription?.sdp ?? "";
  }

  /** @param {string} sdp Resolves once media can flow. */
  async answered(sdp) {
    const connection = this.#connection;
    if (connection === null) throw new Error("nothing was offered");
    await connection.setRemoteDescription({ type: "answer", sdp });
    await reached(connection, "connectionstatechange", () => connection.connectionState === "connected");
  }

  async leave() {
    this.#connection?.close();
    this.#connection = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    await this.#room?.close();
    this.#room = null;
  }

  /** @param {boolean} on */
  microphone(on) {
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = on;
  }

  /**
   * Off: no more pictures are sent. The device goes on, so that pictures and sound stay together.
   *
   * @param {boolean} on
   */
  async camera(on) {
    const transceivers = this.#connection?.getTransceivers() ?? [];
    const sender = transceivers.find((transceiver) => transceiver.receiver.track.kind === "video")?.sender;
    await sender?.replaceTrack(on ? (this.#stream?.getVideoTracks()[0] ?? null) : null);
  }

  watchCapture() {
    if (this.#stream === null) throw new Error("nothing is captured");
    this.#captureTimes ??= new CaptureTimes(this.#stream);
  }

  /** @returns {{pictures: [number, number][], beeps: number[]} | undefined} What was captured since the last call. */
  captureTimes() {
    return this.#captureTimes?.taken();
  }
}

/**
 * @param {RTCPeerConnection} connection
 * @param {string} event
 * @param {() => boolean} holds
 * @returns {Promise<void>}
 */
function reached(connection, event, holds) {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (holds()) resolve();
      else if (connection.connectionState === "failed") reject(new Error("no connection can be made"));
      else return;
      connection.removeEventListener(event, check);
    };
    connection.addEventListener(event, check);
    check();
  });
}

Object.assign(window, { participant: new Participant() });
