// The store, on an embedded node.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { embedded, rejects } from './help.mjs';

const collect = async (range) => {
  const entries = [];
  for await (const entry of range) entries.push(entry);
  return entries;
};
const keys = async (range) => (await collect(range)).map((entry) => entry.key.toString());

test('put, get, delete', async (t) => {
  const { kv } = await embedded(t);
  assert.equal(await kv.get('k'), null);
  const first = await kv.put('k', 'one');
  const second = await kv.put('k', 'two');
  assert.equal(typeof first, 'bigint');
  assert.ok(second > first);
  assert.deepEqual(await kv.get('k'), {
    key: Buffer.from('k'),
    value: Buffer.from('two'),
    createRevision: first,
    modRevision: second,
    version: 2n,
    lease: 0n,
  });
  const deleted = await kv.delete('k');
  assert.equal(deleted.existed, true);
  assert.ok(deleted.revision > second);
  assert.equal((await kv.delete('k')).existed, false);
  assert.equal(await kv.get('k'), null);
  await kv.put('k', 'three');
  assert.equal((await kv.get('k')).version, 1n);
});

test('what was there', async (t) => {
  const { kv } = await embedded(t);
  const first = await kv.put('k', 'one', { previous: true });
  assert.equal(first.previous, null);
  const second = await kv.put('k', 'two', { previous: true });
  assert.ok(second.revision > first.revision);
  assert.equal(second.previous.value.toString(), 'one');
  assert.equal(second.previous.modRevision, first.revision);
  assert.equal(typeof await kv.put('k', 'three', { previous: false }), 'bigint');
  const deleted = await kv.delete('k', { previous: true });
  assert.equal(deleted.existed, true);
  assert.equal(deleted.previous.value.toString(), 'three');
  assert.deepEqual(await kv.delete('k', { previous: true }),
    { existed: false, revision: deleted.revision + 1n, previous: null });
  await kv.put('k', 'four');
  assert.equal((await kv.delete('k')).previous, null);
});

test('the store as it was', async (t) => {
  const { kv } = await embedded(t);
  const first = await kv.put('a', '1');
  const second = await kv.put('b', '1');
  const third = await kv.put('a', '2');
  const { revision: fourth } = await kv.delete('b');
  const future = fourth + 1000n;
  const refused = { code: 'INVALID_ARGUMENT', message: new RegExp(`${future} has not happened yet`) };
  await rejects(kv.get('a', { revision: future }), refused);
  await rejects(kv.range({ revision: future }).next(), refused);

  const at = async (key, revision) => (await kv.get(key, { revision }))?.value.toString();
  const revisions = [first, second, third, fourth, 0n];
  assert.deepEqual(await Promise.all(revisions.map((one) => at('a', one))), ['1', '1', '2', '2', '2']);
  assert.deepEqual(await Promise.all(revisions.map((one) => at('b', one))),
    [undefined, '1', '1', undefined, undefined]);
  assert.equal((await kv.get('b', { revision: third, stale: true })).modRevision, second);
  assert.deepEqual(await keys(kv.range({ revision: first })), ['a']);
  assert.deepEqual(await keys(kv.range({ revision: third })), ['a', 'b']);
  assert.deepEqual(await keys(kv.range({ revision: fourth })), ['a']);

  // Pages of one revision fit together, whatever is written between them.
  const pages = kv.range({ revision: third, pageEntries: 1 });
  assert.equal((await pages.next()).value.value.toString(), '2');
  await kv.put('b', 'later');
  assert.equal((await pages.next()).value.value.toString(), '1');

  // A delete is a change, too.
  const { revision: gone } = await kv.delete('a');
  const unchanged = async (revision) => kv.batch().check('a', { unchangedSince: revision }).apply();
  assert.equal((await unchanged(gone)).succeeded, true);
  assert.equal((await unchanged(third)).succeeded, false);
});

test('leases', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('k', 'v', { lease: 0n });
  assert.equal((await kv.get('k')).lease, 0n);
  const none = { code: 'NOT_FOUND', applied: 'no', retryable: false };
  await rejects(kv.put('k', 'x', { lease: 12345n }), none);
  await rejects(kv.cas('k', 'x', { present: true }, { lease: 12345n }), none);
  assert.equal((await kv.get('k')).value.toString(), 'v');
});

test('keys and values are bytes', async (t) => {
  const { kv } = await embedded(t);
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await kv.put(all, all);
  assert.deepEqual((await kv.get(new Uint8Array(all))).value, all);
  // A view into the middle of a larger buffer, and a string beyond ASCII.
  const view = new Uint8Array(all.buffer, all.byteOffset + 10, 5);
  await kv.put(view, 'ключ €😀');
  const entry = await kv.get(Buffer.from([10, 11, 12, 13, 14]));
  assert.equal(entry.value.toString(), 'ключ €😀');
  await kv.put('empty', '');
  assert.equal((await kv.get('empty')).value.length, 0);
  await kv.put('a\0b', 'nul');
  assert.equal((await kv.get(Buffer.from('a\0b'))).value.toString(), 'nul');
});

test('arguments are copied before a call returns', async (t) => {
  const { kv } = await embedded(t);
  const key = Buffer.from('key');
  const value = Buffer.alloc(100_000, 'v');
  const done = kv.put(key, value);
  key.fill('x');
  value.fill('x');
  await done;
  assert.deepEqual((await kv.get('key')).value, Buffer.alloc(100_000, 'v'));
});

test('compare and swap', async (t) => {
  const { kv } = await embedded(t);
  const made = await kv.cas('k', 'one', { absent: true });
  assert.equal(made.succeeded, true);
  assert.equal(made.current, null);
  const again = await kv.cas('k', 'other', { absent: true });
  assert.equal(again.succeeded, false);
  assert.equal(again.current.value.toString(), 'one');
  assert.equal(again.current.modRevision, made.revision);

  assert.equal((await kv.cas('k', 'two', { value: 'other' })).succeeded, false);
  const two = await kv.cas('k', 'two', { value: 'one' });
  assert.equal(two.succeeded, true);
  assert.equal((await kv.cas('k', 'three', { revision: made.revision })).succeeded, false);
  assert.equal((await kv.cas('k', 'three', { revision: two.revision })).succeeded, true);
  assert.equal((await kv.cas('k', 'four', { present: true })).succeeded, true);
  const missing = await kv.cas('missing', 'v', { present: true });
  assert.equal(missing.succeeded, false);
  assert.equal(missing.current, null);
  // An empty value is a value.
  await kv.put('k', '');
  assert.equal((await kv.cas('k', 'five', { value: '' })).succeeded, true);
  assert.equal((await kv.cas('k2', 'v', { value: '' })).succeeded, false);

  const both = { absent: true, present: true };
  for (const expect of [undefined, null, {}, both, { absent: false }, { revision: 1 }, { other: 1 }]) {
    await assert.rejects(kv.cas('k', 'v', expect), TypeError);
  }
  await assert.rejects(kv.cas('k', 'v', { revision: -1n }), RangeError);
  await assert.rejects(kv.cas('k', 'v', { revision: 2n ** 64n }), RangeError);
});

test('ranges', async (t) => {
  const { kv } = await embedded(t);
  for (const key of ['a', 'b/1', 'b/2', 'b/3', 'c', 'd']) await kv.put(key, `value of ${key}`);
  assert.deepEqual(await keys(kv.range()), ['a', 'b/1', 'b/2', 'b/3', 'c', 'd']);
  assert.deepEqual(await keys(kv.range({ prefix: 'b/' })), ['b/1', 'b/2', 'b/3']);
  assert.deepEqual(await keys(kv.range({ prefix: 'b/', reverse: true })), ['b/3', 'b/2', 'b/1']);
  assert.deepEqual(await keys(kv.range({ prefix: 'x' })), []);
  assert.deepEqual(await keys(kv.range({ start: 'b/2', end: 'd' })), ['b/2', 'b/3', 'c']);
  assert.deepEqual(await keys(kv.range({ start: 'c' })), ['c', 'd']);
  assert.deepEqual(await keys(kv.range({ end: 'b/2' })), ['a', 'b/1']);
  assert.deepEqual(await keys(kv.range({ limit: 2 })), ['a', 'b/1']);
  assert.deepEqual(await keys(kv.range({ limit: 2, reverse: true })), ['d', 'c']);
  assert.deepEqual(await keys(kv.range({ stale: true, limit: 1 })), ['a']);
  const [bare] = await collect(kv.range({ prefix: 'c', keysOnly: true }));
  assert.equal(bare.value.length, 0);
  assert.equal((await collect(kv.range({ prefix: 'c' })))[0].value.toString(), 'value of c');
  const prefix = Buffer.from('b/');
  const copied = kv.range({ prefix });
  prefix.fill('x');
  assert.deepEqual(await keys(copied), ['b/1', 'b/2', 'b/3']);

  assert.throws(() => kv.range({ prefix: 'a', start: 'b' }), TypeError);
  for (const limit of [0, -1, 1.5, '2', NaN]) assert.throws(() => kv.range({ limit }), RangeError);
});

test('a range follows continuations, both ways, and can be left early', async (t) => {
  const { kv } = await embedded(t);
  const name = (i) => `k${String(i).padStart(4, '0')}`;
  const all = Array.from({ length: 1000 }, (_, i) => name(i));
  await Promise.all(all.map((key) => kv.put(key, key)));
  for (const pageEntries of [1000, 999, 333, 7]) {
    assert.deepEqual(await keys(kv.range({ pageEntries })), all, `pages of ${pageEntries}`);
  }
  assert.deepEqual(await keys(kv.range({ pageEntries: 7, reverse: true })), [...all].reverse());
  assert.deepEqual(await keys(kv.range({ pageEntries: 7, limit: 23 })), all.slice(0, 23));
  let seen = 0;
  for await (const _ of kv.range({ pageEntries: 10 })) if (++seen === 15) break;
  assert.equal(seen, 15);
  // Larger than one reply may be.
  const value = Buffer.alloc(1 << 20, 1);
  for (let i = 0; i < 6; ++i) await kv.put(`large${i}`, value);
  const large = await collect(kv.range({ prefix: 'large' }));
  assert.equal(large.length, 6);
  assert.ok(large.every((entry) => entry.value.equals(value)));
});

test('limits', async (t) => {
  const { kv } = await embedded(t);
  const { keyBytes, valueBytes } = aspen.limits;
  assert.equal(keyBytes, 4096);
  await kv.put('k'.repeat(keyBytes), 'v');
  await rejects(kv.put('k'.repeat(keyBytes + 1), 'v'), {
    code: 'LIMIT_EXCEEDED', number: 2, applied: 'no', retryable: false, message: /4097.*4096/,
  });
  await rejects(kv.get('k'.repeat(keyBytes + 1)), { code: 'LIMIT_EXCEEDED' });
  await kv.put('v', Buffer.alloc(valueBytes));
  assert.equal((await kv.get('v')).value.length, valueBytes);
  await rejects(kv.put('v', Buffer.alloc(valueBytes + 1)), { code: 'LIMIT_EXCEEDED', applied: 'no' });
  await rejects(kv.put('', 'v'), { code: 'INVALID_ARGUMENT', applied: 'no' });
  await rejects(kv.get(''), { code: 'INVALID_ARGUMENT' });
});

test('arguments of the wrong type are TypeErrors', async (t) => {
  const { kv } = await embedded(t);
  for (const wrong of [undefined, null, 1, 1n, {}, [1], new Uint16Array(2), new ArrayBuffer(2)]) {
    await assert.rejects(kv.put(wrong, 'v'), TypeError);
    await assert.rejects(kv.put('k', wrong), TypeError);
    await assert.rejects(kv.get(wrong), TypeError);
    await assert.rejects(kv.delete(wrong), TypeError);
  }
  // Two keys that differ must not become one.
  await assert.rejects(kv.put('\ud800', 'v'), TypeError);
  await assert.rejects(kv.get('k', null), TypeError);
  await assert.rejects(kv.get('k', { signal: {} }), TypeError);
  await assert.rejects(kv.get('k', { timeoutMs: '1' }), TypeError);
  for (const wrong of [1, '1', null, {}]) {
    await assert.rejects(kv.get('k', { revision: wrong }), TypeError);
    assert.throws(() => kv.range({ revision: wrong }), TypeError);
    await assert.rejects(kv.put('k', 'v', { lease: wrong }), TypeError);
    await assert.rejects(kv.cas('k', 'v', { absent: true }, { lease: wrong }), TypeError);
  }
  for (const wrong of [-1n, 2n ** 64n]) {
    await assert.rejects(kv.get('k', { revision: wrong }), RangeError);
    assert.throws(() => kv.range({ revision: wrong }), RangeError);
    await assert.rejects(kv.put('k', 'v', { lease: wrong }), RangeError);
  }
  for (const timeoutMs of [0, -1, NaN, Infinity]) await assert.rejects(kv.get('k', { timeoutMs }), RangeError);
});
