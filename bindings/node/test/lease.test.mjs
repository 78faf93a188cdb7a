// Leases: time that keys are attached to.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import * as aspen from 'aspen';
import { closing, directory, embedded, network, program, rejects, until } from './help.mjs';

async function list(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

test('keys go when their lease runs out', async (t) => {
  const { kv } = await embedded(t);
  const begin = performance.now();
  const lease = await kv.grant(1000);
  await kv.put('a', '', { lease });
  await kv.batch().put('b', '', { lease }).apply();
  await kv.transact((tx) => tx.put('c', '', { lease: lease.id }));
  await kv.cas('d', '', { absent: true }, { lease });
  await kv.put('kept', '', { lease });
  await kv.put('kept', '');  // detached
  assert.equal((await kv.get('a')).lease, lease.id);
  assert.deepEqual((await list(lease.keys())).map(String), ['a', 'b', 'c', 'd']);
  await until(async () => (await kv.get('a')) === null, 'the key to go');
  assert.ok(performance.now() - begin >= 1000);
  assert.deepEqual((await list(kv.range())).map(({ key }) => String(key)), ['kept']);
  const calls = [lease.info(), lease.keepAlive(), lease.revoke(), list(lease.keys()), kv.put('a', '', { lease })];
  await Promise.all(calls.map((call) => rejects(call, { code: 'NOT_FOUND' })));
});

test('a lease tells of itself', async (t) => {
  const { kv } = await embedded(t);
  const lease = await kv.grant(60_000);
  await kv.put('k', '', { lease });
  const { remainingMs, ...info } = await kv.lease(lease.id).info();
  assert.deepEqual(info, { id: lease.id, ttlMs: 60_000, keys: 1 });
  assert.ok(remainingMs <= 60_000 && remainingMs > 50_000);
  assert.equal(await lease.keepAlive(), 60_000);
  const other = await kv.grant(3_600_000);
  assert.deepEqual((await list(kv.leases())).map(({ id }) => id), [lease.id, other.id]);
  assert.equal(await lease.revoke(), 1);
  assert.equal(await kv.get('k'), null);
  await assert.rejects(kv.grant(), TypeError);
  await assert.rejects(kv.grant(0), RangeError);
  await assert.rejects(kv.grant(0.001), { code: /INVALID_ARGUMENT|LIMIT_EXCEEDED/ });
  assert.throws(() => kv.lease(1), TypeError);
  await assert.rejects(kv.put('k', '', { lease: {} }), TypeError);
});

test('a lease is kept until it is dropped', async (t) => {
  const { kv } = await embedded(t);
  const lease = (await kv.grant(1000)).keep().keep();
  await kv.put('k', '', { lease });
  await sleep(2500);
  assert.notEqual(await kv.get('k'), null);
  lease.drop();
  lease.drop();
  await until(async () => (await kv.get('k')) === null, 'the key to go');
  assert.equal(lease.lost, false);

  const lost = await kv.grant(1000);
  const told = new Promise((resolve) => lost.keep(resolve));
  await kv.lease(lost.id).revoke();
  await until(() => lost.lost, 'the loss to be told');  // a kept lease does not hold the event loop
  assert.equal((await told).code, 'NOT_FOUND');
});

test('a lease is disposed of', { skip: !Symbol.asyncDispose }, async (t) => {
  const { kv } = await embedded(t);
  const lease = (await kv.grant(60_000)).keep();
  await kv.put('k', '', { lease });
  await lease[Symbol.asyncDispose]();
  await lease[Symbol.asyncDispose]();
  assert.equal(await kv.get('k'), null);
});

test('a lease that is kept does not keep the process', async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    (await node.kv.grant(60_000)).keep();
    console.log('end');`);
  assert.deepEqual([result.code, result.out], [0, 'end\n']);
});

test('a lease is lost when its node is closed', async (t) => {
  const node = await aspen.open(path.join(directory(t), 'data'));
  const lease = await node.kv.grant(60_000);
  const told = new Promise((resolve) => lease.keep(resolve));
  await node.close();
  assert.equal((await told).code, 'SHUTDOWN');
  lease.drop();
});

test('a lease is kept while the leader goes away', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  const other = closing(t, await aspen.connect(ticket));
  const lease = (await client.kv.grant(2000)).keep();
  await client.kv.put('member', 'here', { lease });
  const { leader } = await client.status();
  await nodes.find(({ id }) => id === leader).close();
  for (const end = Date.now() + 6000; Date.now() < end; await sleep(50)) {
    assert.notEqual(await other.kv.get('member'), null);
  }
  assert.equal(lease.lost, false);
  lease.drop();
  await until(async () => (await other.kv.get('member')) === null, 'the key to go');
});
