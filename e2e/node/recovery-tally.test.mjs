// The tally of the scene of recovery must not lose a fault.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tally, row } from './recovery-tally.mjs';

/** The tally of clients that were to get 0 to 3. */
function sum(...clients) {
  return Tally.sum(clients.map((numbers) => {
    const tally = new Tally();
    for (const seq of numbers) tally.got(seq);
    return tally;
  }), 4);
}

for (const [name, numbers, want] of [
  ['all in order', [0, 1, 2, 3], {}],
  ['one is lost', [0, 1, 3], { lost: 1 }],
  ['the last is lost', [0, 1, 2], { lost: 1 }],
  ['nothing came', [], { lost: 4 }],
  ['one came twice', [0, 1, 1, 2, 3], { twice: 1 }],
  ['one came twice, much later', [0, 1, 2, 3, 0], { twice: 1 }],
  ['one came three times', [0, 0, 0, 1, 2, 3], { twice: 2 }],
  ['one came too late', [0, 2, 1, 3], { disordered: 1 }],
  ['two came too late', [3, 0, 1, 2], { disordered: 3 }],
  ['one is lost, one came twice', [0, 2, 2, 3], { lost: 1, twice: 1 }],
]) {
  test(name, () => {
    const all = { lost: 0, twice: 0, disordered: 0, ...want };
    const { lost, twice, disordered, delivered } = sum(numbers);
    assert.deepEqual({ lost, twice, disordered, delivered }, { ...all, delivered: 4 - all.lost });
    const two = sum(numbers, [0, 1, 2, 3]);
    assert.deepEqual([two.lost, two.twice, two.disordered, two.wanted], [all.lost, all.twice, all.disordered, 8]);
  });
}

test('a share is never rounded up', () => {
  const share = (delivered, wanted) => row('x', { delivered, wanted }).split(' | ')[6];
  assert.deepEqual([share(4, 4), share(99_999_999, 100_000_000), share(0, 4), share(0, 0)], ['100.000 %', '99.999 %', '0.000 %', 'none']);
});

test('who is back is counted', () => {
  const tally = new Tally();
  tally.cuts = 3;
  tally.back(true);
  tally.back(false);
  tally.back(true);
  const { cuts, recovered, anew } = Tally.sum([tally, tally], 0);
  assert.deepEqual([cuts, recovered, anew], [6, 4, 2]);
});
