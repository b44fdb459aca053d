/** When the devices captured what: the page's own account of pictures and sound. */

const CODE_BITS = 16;
const CODE_HEIGHT = 1 / 8;
const BEEP_LEVEL = 0.2;
const QUIET_S = 0.2;
const STALL_MS = 5;
const OTHER_CLOCK_MS = 5_000;

export class CaptureTimes {
  /** @type {[number, number][]} */
  #pictures = [];
  /** @type {number[]} */
  #beeps = [];
  /** @type {[number, number][]} */
  #stalls = [];

  /** @param {MediaStream} stream */
  constructor(stream) {
    this.#watchPictures(new MediaStream(stream.getVideoTracks()));
    void this.#listen(stream.getAudioTracks()[0].clone());
  }

  /**
   * @returns {{pictures: [number, number][], beeps: number[], stalls: [number, number][]}} Since the last call, in
   *     ms of performance.now(): pictures by number with their times, the starts of beeps, and when the microphone
   *     stood still for how long.
   */
  taken() {
    return {
      pictures: this.#pictures.splice(0),
      beeps: this.#beeps.splice(0),
      stalls: this.#stalls.splice(0),
    };
  }

  /** @param {MediaStream} stream */
  #watchPictures(stream) {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    document.body.append(video);
    void video.play();
    const canvas = new OffscreenCanvas(CODE_BITS, 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("no canvas");
    const look = (/** @type {number} */ _now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      if (metadata.captureTime !== undefined) {
        this.#pictures.push([readCode(video, context), metadata.captureTime]);
      }
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }

  /** @param {MediaStreamTrack} track */
  async #listen(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    let quiet = 0;
    let due = Infinity;
    for (;;) {
      const { value: block, done } = await reader.read();
      if (done) return;
      if (Math.abs(performance.now() - block.timestamp / 1000) > OTHER_CLOCK_MS) {
        throw new Error("this browser stamps sound on another clock than pictures");
      }
      const start = block.timestamp / 1000;
      if (start > due + STALL_MS) this.#stalls.push([start, start - due]);
      due = start + (block.numberOfFrames * 1000) / block.sampleRate;
      const samples = new Float32Array(block.numberOfFrames);
      block.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      for (const [index, sample] of samples.entries()) {
        if (Math.abs(sample) < BEEP_LEVEL) quiet += 1;
        else {
          if (quiet > QUIET_S * block.sampleRate) {
            this.#beeps.push(start + (index * 1000) / block.sampleRate);
          }
          quiet = 0;
        }
      }
      block.close();
    }
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {OffscreenCanvasRenderingContext2D} context
 * @returns {number} The number that the blocks at the picture's foot spell, lowest bit first.
 */
function readCode(video, context) {
  const height = video.videoHeight * CODE_HEIGHT;
  context.drawImage(video, 0, video.videoHeight - height / 2, video.videoWidth, 1, 0, 0, CODE_BITS, 1);
  const pixels = context.getImageData(0, 0, CODE_BITS, 1).data;
  let code = 0;
  for (let bit = 0; bit < CODE_BITS; bit += 1) {
    if (pixels[bit * 4] > 128) code |= 1 << bit;
  }
  return code;
}
