/** One handle of Janus' VideoRoom plugin over a WebSocket. */

const KEEPALIVE_MS = 20_000;

export class VideoRoom {
  #socket;
  /** @type {Map<string, (message: any) => void>} */
  #waiting = new Map();
  #requests = 0;
  #session = 0;
  #handle = 0;
  #keepalive = 0;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
  }

  /** @param {string} url @returns {Promise<VideoRoom>} */
  static async open(url) {
    const socket = new WebSocket(url, "janus-protocol");
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("Janus cannot be reached")));
    });
    const room = new VideoRoom(socket);
    room.#session = (await room.#request({ janus: "create" })).data.id;
    room.#handle = (await room.#request({ janus: "attach", plugin: "janus.plugin.videoroom" })).data.id;
    room.#keepalive = window.setInterval(() => room.#send({ janus: "keepalive" }), KEEPALIVE_MS);
    return room;
  }

  /**
   * @param {object} body
   * @param {RTCSessionDescriptionInit} [jsep]
   * @returns {Promise<any>} The event that answers it.
   */
  async ask(body, jsep) {
    const answer = await this.#request({
      janus: "message",
      handle_id: this.#handle,
      body,
      ...(jsep && { jsep }),
    });
    const data = answer.plugindata?.data ?? {};
    if (data.error !== undefined) throw new Error(`Janus refuses: ${data.error}`);
    return answer;
  }

  async close() {
    window.clearInterval(this.#keepalive);
    await this.#request({ janus: "destroy" });
    this.#socket.close();
  }

  /** @param {object} message @returns {Promise<any>} */
  #request(message) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(this.#send(message), (answer) => {
        if (answer.janus === "error") reject(new Error(`Janus refuses: ${answer.error.reason}`));
        else resolve(answer);
      });
    });
  }

  /** @param {object} message @returns {string} */
  #send(message) {
    const transaction = String((this.#requests += 1));
    const session = this.#session === 0 ? {} : { session_id: this.#session };
    this.#socket.send(JSON.stringify({ ...message, ...session, transaction }));
    return transaction;
  }

  /** @param {any} message */
  #receive(message) {
    if (message.janus === "ack") return;
    const answered = this.#waiting.get(message.transaction);
    this.#waiting.delete(message.transaction);
    answered?.(message);
  }
}
