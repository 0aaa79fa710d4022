// What the page knows of rooms: who is in them, what was said, what was not read yet.

const keep = 500; // messages of one room

export class Room {
  constructor(name) {
    this.name = name;
    this.joined = false;
    this.unread = 0;
    this.users = new Map(); // id -> name
    this.typing = new Map(); // id -> { name, until }
    this.items = []; // messages and events, as they are shown
    this.seen = new Map(); // message id -> item
  }

  /** Takes over what the server says at a join; messages that are here already stay. */
  enter({ users = [] }) {
    this.joined = true;
    this.users = new Map(users.map(({ id, name }) => [id, name]));
    this.typing.clear();
  }

  /**
   * Adds a message unless it is known. Returns the item and whether it is new: our own may have been
   * here as pending, its confirmation lost or still on its way.
   */
  add(message, mine) {
    const known = this.seen.get(message.id);
    if (known) return { item: known, isNew: false };
    const pending = mine && this.items.find((item) => item.pending && item.text === message.text);
    if (pending) {
      this.confirm(pending, message);
      return { item: pending, isNew: false };
    }
    return { item: this.#push({ kind: 'message', mine, ...message }), isNew: true };
  }

  /** Adds a message of ours that the server has not confirmed yet. */
  addPending(name, text) {
    return this.#push({ kind: 'message', mine: true, pending: true, name, text, at: Date.now() });
  }

  /** The server has taken a pending message. Returns false if a broadcast had brought it already. */
  confirm(item, { id, at }) {
    item.pending = false;
    item.at = at ?? item.at;
    const known = this.seen.get(id);
    if (known && known !== item) {
      this.items.splice(this.items.indexOf(item), 1);
      return false;
    }
    item.id = id;
    this.seen.set(id, item);
    return true;
  }

  /** Takes back a message that the server refused. */
  withdraw(item) {
    this.items = this.items.filter((each) => each !== item);
  }

  addEvent(text) {
    return this.#push({ kind: 'event', text });
  }

  #push(item) {
    this.items.push(item);
    if (item.id !== undefined) this.seen.set(item.id, item);
    for (const old of this.items.splice(0, Math.max(0, this.items.length - keep))) this.seen.delete(old.id);
    return item;
  }

  /** Notes that somebody types, or does no longer. A note is forgotten after six seconds. */
  setTyping({ id, name, on }, now = Date.now()) {
    if (on) this.typing.set(id, { name, until: now + 6_000 });
    else this.typing.delete(id);
  }

  /** The names of those who type now. */
  whoTypes(now = Date.now()) {
    for (const [id, { until }] of this.typing) if (until < now) this.typing.delete(id);
    return [...this.typing.values()].map(({ name }) => name);
  }
}
