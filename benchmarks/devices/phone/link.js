// The link to the computer: what is sent arrives whole, or is sent again for as long as it takes.

export class Ended extends Error {}  // nothing more will be taken

const TABLE = Uint32Array.from({length: 256}, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {  // the browser's own hashes are for encrypted pages only
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const pause = ms => new Promise(done => setTimeout(done, ms));

export class Link {
  constructor(onLost) {
    this.onLost = onLost;  // called with true when the computer does not answer, with false when it does again
    this.session = "";
    this.page = 0;
  }

  async get(path, kind = "arrayBuffer") {
    return this.#patiently(async signal => {
      const reply = await fetch(path, {signal});
      await this.#check(reply);
      return reply[kind]();
    }, 120000);
  }

  async send(path, query, body = new Uint8Array()) {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const words = new URLSearchParams({session: this.session, page: this.page, ...query, crc: crc32(bytes)});
    return this.#patiently(async signal => {
      const reply = await fetch(`${path}?${words}`, {method: "POST", body: bytes, signal});
      await this.#check(reply);
      return reply.json();
    });
  }

  async beat() {  // shows that the page is open; whether it arrives does not matter
    try {
      const words = new URLSearchParams({session: this.session, page: this.page, crc: 0});
      await fetch(`alive?${words}`, {method: "POST", signal: AbortSignal.timeout(5000)});
    } catch { /* the next one may */ }
  }

  async #check(reply) {
    if (reply.ok) return;
    const text = await reply.json().then(found => found.error, () => `status ${reply.status}`);
    throw Object.assign(new Ended(text), {status: reply.status});
  }

  async #patiently(call, timeout = 30000) {
    let damaged = 0, lost = false;
    for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
      try {
        const found = await call(AbortSignal.timeout(timeout));
        if (lost) this.onLost(false);
        return found;
      } catch (error) {
        if (error instanceof Ended && (error.status !== 400 || ++damaged > 3)) throw error;
        if (!(error instanceof Ended)) {
          lost = true;
          this.onLost(true);
        }
      }
      await pause(wait);
    }
  }
}
