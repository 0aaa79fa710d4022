// How the page says things.

const reasons = {
  'io server disconnect': 'The server ended the connection.',
  'ping timeout': 'The server has gone silent.',
  'transport close': 'The connection was cut.',
  'transport error': 'The connection broke.',
  'parse error': 'The server said something that is not Socket.IO.',
};

/** Says why a connection ended. */
export function explain(reason) {
  return reasons[reason] ?? `The connection ended: ${reason}.`;
}

/** Makes a sentence of what a server said: "the name is empty" becomes "The name is empty." */
export function sentence(text) {
  const trimmed = String(text ?? '').trim();
  if (!trimmed) return 'The server gave no reason.';
  return trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? '' : '.');
}

/** A time of today as "14:03", of another day with its date; empty for what is no time. */
export function clock(at, now = new Date()) {
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return '';
  const time = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return when.toDateString() === now.toDateString() ? time : `${when.toLocaleDateString()}, ${time}`;
}

/** "Ada is typing…", "Ada and Bob are typing…", "Several people are typing…". */
export function typingText(names) {
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return 'Several people are typing…';
}
