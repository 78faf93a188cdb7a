// Secondary indexes and directories.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { closing, embedded, network, rejects, until } from './help.mjs';

async function list(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

const ready = (kv, name) =>
  until(async () => (await kv.indexes()).some((index) => index.name === name && index.state === 'ready'), name);

const scanned = async (kv, name, options) =>
  (await list(kv.scanIndex(name, options))).map(({ value, entry }) => [value, String(entry.key)]);

test('indexes of JSON', async (t) => {
  const { kv } = await embedded(t);
  const users = [['ada', 36], ['bob', 41], ['ada', 7], ['eve', null]];
  for (const [i, [name, age]] of users.entries()) await kv.put(`user/${i}`, JSON.stringify({ name, age, tags: ['x', i] }));
  await kv.createIndex('by-name', 'user/', 'json:/name');
  await kv.createIndex('by-age', 'user/', 'json:/age');
  await kv.createIndex('by-tag', 'user/', 'json:/tags');
  for (const name of ['by-name', 'by-age', 'by-tag']) await ready(kv, name);
  assert.deepEqual(await scanned(kv, 'by-name', { value: 'ada' }), [['ada', 'user/0'], ['ada', 'user/2']]);
  assert.deepEqual(await scanned(kv, 'by-name', { reverse: true, limit: 2 }), [['eve', 'user/3'], ['bob', 'user/1']]);
  assert.deepEqual(await scanned(kv, 'by-age', { start: 7, end: 41 }), [[7, 'user/2'], [36, 'user/0']]);
  assert.deepEqual(await scanned(kv, 'by-age', { value: null }), [[null, 'user/3']]);
  assert.deepEqual(await scanned(kv, 'by-tag', { value: 2 }), [[2, 'user/2']]);
  assert.equal((await scanned(kv, 'by-tag', { value: 'x' })).length, 4);
  await kv.put('user/0', JSON.stringify({ name: 'zoe' }));
  await kv.delete('user/2');
  assert.deepEqual(await scanned(kv, 'by-name', { value: 'ada' }), []);
  const [{ entry }] = await list(kv.scanIndex('by-name', { value: 'zoe', keysOnly: true }));
  assert.deepEqual([entry.value.length, entry.version], [0, 2n]);
});

test('indexes of tuples and values', async (t) => {
  const { kv } = await embedded(t);
  await kv.createIndex('by-second', 't/', 'tuple:1');
  await kv.createIndex('by-value', Buffer.from('v/'), 'value');
  await kv.put('t/1', aspen.tuple.pack(['a', 2.5]));
  await kv.put('v/1', 'whole');
  await ready(kv, 'by-second');
  await ready(kv, 'by-value');
  assert.deepEqual(await scanned(kv, 'by-second', { value: 2.5 }), [[2.5, 't/1']]);
  assert.deepEqual(await scanned(kv, 'by-value', { value: Buffer.from('whole') }), [[Buffer.from('whole'), 'v/1']]);
});

test('more entries than a reply holds', async (t) => {
  const { kv } = await embedded(t);
  await kv.createIndex('by', 'k', 'value');
  await ready(kv, 'by');
  const count = aspen.limits.rangeEntries + 10;
  for (let at = 0; at < count; at += 1000) {
    const batch = kv.batch();
    for (let i = at; i < Math.min(at + 1000, count); ++i) batch.put(`k${String(i).padStart(6, '0')}`, String(i % 7));
    await batch.apply();
  }
  const found = (await scanned(kv, 'by', { keysOnly: true })).map(([value, key]) => `${value} ${key}`);
  assert.equal(found.length, count);
  assert.deepEqual(found, [...found].sort());
});

test('the list of indexes, and what is refused', async (t) => {
  const { kv } = await embedded(t);
  assert.deepEqual(await kv.indexes(), []);
  const prefix = Buffer.from([0x70, 0xff]);
  await kv.createIndex('by', prefix, 'number:/n');
  const [{ state, records, ...index }] = await kv.indexes();
  assert.deepEqual(index, { name: 'by', prefix, extractor: 'number:/n' });
  assert.ok(['building', 'ready'].includes(state) && records === 0);
  await rejects(kv.createIndex('by', 'p', 'value'), { code: 'ALREADY_EXISTS' });
  await rejects(kv.createIndex('other', 'p', 'xml:/n'), { code: 'INVALID_ARGUMENT' });
  await kv.dropIndex('by');
  await rejects(kv.dropIndex('by'), { code: 'NOT_FOUND' });
  await rejects(scanned(kv, 'by'), { code: 'NOT_FOUND' });
  assert.throws(() => kv.scanIndex('by', { value: 1, start: 2 }), TypeError);
});

test('a directory is a subspace', async (t) => {
  const { kv } = await embedded(t);
  const users = await kv.directory(['app', 'users']);
  assert.ok(users instanceof aspen.Subspace && users instanceof aspen.Directory && users.created);
  assert.deepEqual(users.path, ['app', 'users']);
  assert.ok(users.prefix.length > 0 && users.prefix.length < 10);
  await kv.put(users.pack([42, 'name']), 'ada');
  const [{ key }] = await list(kv.range(users.range([42])));
  assert.deepEqual(users.unpack(key), [42, 'name']);
  const again = await kv.directory(['app', 'users']);
  assert.deepEqual([again.created, again.prefix], [false, users.prefix]);

  await rejects(kv.directory(['a'], { create: false }), { code: 'NOT_FOUND' });
  await kv.directory(['a'], { existOk: false, layer: 'l' });
  await rejects(kv.directory(['a'], { existOk: false }), { code: 'ALREADY_EXISTS' });
  await rejects(kv.directory(['a'], { layer: 'other' }), { code: 'INVALID_ARGUMENT' });
  await rejects(kv.directory([]), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(kv.directory('a'), TypeError);
});

test('directories are listed, moved and removed', async (t) => {
  const { kv } = await embedded(t);
  for (const each of [['a', 'x'], ['a', 'y'], ['b']]) await kv.directory(each);
  const paths = async (...from) => (await list(kv.directories(...from))).map(({ path }) => path.join('/'));
  assert.deepEqual(await paths(), ['a', 'b']);
  assert.deepEqual(await paths(['a']), ['a/x', 'a/y']);
  const y = await kv.directory(['a', 'y']);
  await kv.put(y.pack([1]), 'v');
  const moved = await kv.moveDirectory(['a', 'y'], ['b', 'z']);
  assert.deepEqual([moved.path, moved.prefix], [['b', 'z'], y.prefix]);
  await rejects(kv.moveDirectory(['a', 'y'], ['b', 'w']), { code: 'NOT_FOUND' });
  await rejects(kv.moveDirectory(['a', 'x'], ['b', 'z']), { code: 'ALREADY_EXISTS' });
  assert.equal(await kv.removeDirectory(['b']), true);
  assert.equal(await kv.removeDirectory(['b']), false);
  assert.equal(await kv.get(moved.pack([1])), null);
  await rejects(paths(['b']), { code: 'NOT_FOUND' });
});

test('indexes and directories of a network', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  await nodes[1].kv.createIndex('by-age', 'user/', 'json:/age');
  await ready(client.kv, 'by-age');
  for (let i = 0; i < 50; ++i) await nodes[i % 3].kv.put(`user/${i}`, JSON.stringify({ age: i % 5 }));
  assert.equal((await scanned(client.kv, 'by-age', { value: 3 })).length, 10);
  const prefixes = await Promise.all([...nodes, client].map(async ({ kv }) =>
    (await kv.directory(['app'])).prefix.toString('hex')));
  assert.equal(new Set(prefixes).size, 1);
});
