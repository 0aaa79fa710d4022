// What a client has got of numbered messages: what is lost, what came twice, what came out of order.

/** The numbers that one client has got, in the order in which they came. */
export class Tally {
  cuts = 0;
  recovered = 0;
  anew = 0;
  #numbers = [];
  #seen = new Set();

  /** Notes a message. */
  got(seq) {
    this.#numbers.push(seq);
    this.#seen.add(seq);
  }

  /** Notes that the client is back, as the socket that it was or as a new one. */
  back(recovered) {
    if (recovered) this.recovered++;
    else this.anew++;
  }

  /** Whether it has got each of so many messages. */
  has(sent) {
    return this.#seen.size >= sent;
  }

  /**
   * The sum of the tallies of clients that were to get so many messages each, 0 to sent-1: how many messages, for how
   * many receptions; lost, never got; twice, got once more; disordered, got for the first time behind a later one.
   */
  static sum(tallies, sent) {
    const sum = { clients: tallies.length, sent, wanted: sent * tallies.length, delivered: 0, lost: 0, twice: 0, disordered: 0, cuts: 0, recovered: 0, anew: 0 };
    for (const tally of tallies) tally.#add(sum, sent);
    return sum;
  }

  #add(sum, sent) {
    const seen = new Set();
    let last = -1;
    for (const seq of this.#numbers) {
      if (seen.has(seq)) sum.twice++;
      else if (seq < last) sum.disordered++;
      seen.add(seq);
      last = Math.max(last, seq);
    }
    sum.delivered += seen.size;
    sum.lost += sent - seen.size;
    for (const name of ['cuts', 'recovered', 'anew']) sum[name] += this[name];
  }
}

/** The head of the table. */
export const head = `| server | messages | clients | cuts | recovered | new sockets | delivered | lost | twice | out of order |
|---|---|---|---|---|---|---|---|---|---|
`;

/** A row of it. */
export function row(name, { sent, clients, cuts, recovered, anew, delivered, wanted, lost, twice, disordered }) {
  const share = wanted === 0 ? 'none' : `${(Math.floor(delivered / wanted * 1e5) / 1e3).toFixed(3)} %`; // never rounded up
  return `| ${[name, sent, clients, cuts, recovered, anew, share, lost, twice, disordered].join(' | ')} |\n`;
}
