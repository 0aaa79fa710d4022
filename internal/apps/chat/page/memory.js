// What the page remembers over a reload. The name and the rooms are those of this tab, so that two tabs can be two people; a new
// tab begins with the last name. What is read is checked: a page of another
// version may have written it, or a person.

import { count } from './fields.js';
import { limits } from './limits.js';

const tabKey = 'nonstick-chat';

/** A browser may be set to keep nothing; then each load begins anew. */
function read(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // full, or not allowed: nothing is remembered
  }
}

/** A text that the server would take, else an empty one. */
function checked(text, limit) {
  return typeof text === 'string' && text.length <= 4 * limit && count(text.trim()) <= limit ? text.trim() : '';
}

function parsed(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** One of the values that are allowed, the first if what was kept is none of them. */
export function choice(key, allowed) {
  const kept = read('localStorage', key);
  return allowed.includes(kept) ? kept : allowed[0];
}

export const choose = (key, value) => write('localStorage', key, value);

/** Who this tab was: {name, inside, room, rooms}; inside says that it was in the chat. */
export function who() {
  const tab = parsed(read('sessionStorage', tabKey));
  const name = checked(tab.name, limits.name);
  const rooms = Array.isArray(tab.rooms) ? tab.rooms : [];
  return {
    name: name || checked(read('localStorage', 'name'), limits.name),
    inside: name !== '',
    room: checked(tab.room, limits.room),
    rooms: rooms.slice(0, limits.rooms).map((each) => checked(each, limits.room)).filter(Boolean),
  };
}

/** Remembers who this tab is: its name, the room it shows, the rooms it is in. */
export function remember({ name, room, rooms }) {
  write('sessionStorage', tabKey, JSON.stringify({ name, room, rooms }));
  write('localStorage', 'name', name);
}

/** The next load of this tab asks for the name again. */
export function forget() {
  write('sessionStorage', tabKey, '{}');
}
