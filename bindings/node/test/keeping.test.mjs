// History, quotas, how fresh reads are, and the options of nodes.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { closing, directory, embedded, network, rejects } from './help.mjs';

const text = (entry) => entry?.value.toString();

test('compaction forgets', async (t) => {
  const { kv } = await embedded(t);
  const revisions = [];
  for (let i = 0; i < 10; ++i) revisions.push(await kv.put('k', String(i)));
  assert.equal(text(await kv.get('k', { revision: revisions[3] })), '3');
  assert.equal(await kv.compact(revisions[5]), revisions[5]);
  await rejects(kv.get('k', { revision: revisions[4] }), { code: 'COMPACTED' });
  assert.equal(text(await kv.get('k', { revision: revisions[5] })), '5');
  assert.equal(await kv.compact(revisions[2]), revisions[5]);
  await rejects(kv.compact(revisions[9] + 1000n), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(kv.compact(1), TypeError);
  await assert.rejects(kv.compact(), TypeError);
  const watch = await kv.watch({ revision: revisions[1] }).then((opened) => opened.read()).catch((error) => error);
  assert.equal(watch.code, 'COMPACTED');
  assert.ok(watch.firstRevision > revisions[1], String(watch.firstRevision));
});

test('what would exceed a quota is refused', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('q/0', 'v');
  await kv.setQuota('q/', { keysMax: 3 });
  await kv.put('q/1', 'v');
  await kv.put('q/2', 'v');
  await rejects(kv.put('q/3', 'v'), { code: 'QUOTA_EXCEEDED', applied: 'no', message: /q\// });
  await rejects(kv.transact((tx) => tx.put('q/3', 'v')), { code: 'QUOTA_EXCEEDED' });
  await kv.put('other', 'v');
  const quota = { prefix: Buffer.from('q/'), bytesMax: null, keysMax: 3, bytes: 12, keys: 3 };
  assert.deepEqual(await kv.quotas(), [quota]);
  await kv.setQuota('q/', { bytesMax: 5 });
  await rejects(kv.put('q/1', 'larger than before'), { code: 'QUOTA_EXCEEDED' });
  await kv.delete('q/1');
  assert.deepEqual(await kv.quotas(), [{ ...quota, bytesMax: 5, keysMax: null, bytes: 8, keys: 2 }]);
  await kv.setQuota('q/', {});
  assert.deepEqual(await kv.quotas(), []);
  await assert.rejects(kv.setQuota('q/', { keysMax: 0 }), RangeError);
});

test('every way to read', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('k', 'v');
  for (const how of [{}, { stale: true }, { stalenessMs: 500 }, { leaseRead: true }]) {
    assert.equal(text(await kv.get('k', how)), 'v');
    for await (const entry of kv.range({ prefix: 'k', ...how })) assert.equal(text(entry), 'v');
  }
  await assert.rejects(kv.get('k', { stale: true, leaseRead: true }), TypeError);
  await assert.rejects(kv.get('k', { stalenessMs: 0 }), RangeError);
});

test('members that read by themselves', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  const options = { listen: '127.0.0.1:0', leaseReads: true, memberReads: true, clockDriftPpm: 500, deadVoterMs: 60_000 };
  const first = closing(t, await aspen.found({ dir: path.join(dir, '0'), ...options }));
  const ticket = await first.ticket();
  const second = closing(t, await aspen.join({ dir: path.join(dir, '1'), ticket, ...options }));
  for (let i = 0; i < 20; ++i) {
    await first.kv.put('k', String(i));
    for (const { kv } of [first, second]) {
      assert.equal(text(await kv.get('k')), String(i));
      assert.equal(text(await kv.get('k', { leaseRead: true })), String(i));
    }
  }
  await assert.rejects(aspen.found({ dir: path.join(dir, '2'), listen: '127.0.0.1:0', deadVoterMs: 100 }));
});

test('how much history is kept', async (t) => {
  const dir = path.join(directory(t), 'data');
  const node = closing(t, await aspen.open(dir, { historyRevisions: 10, historyMs: Infinity }));
  const first = await node.kv.put('k', 'first');
  for (let i = 0; i < 50; ++i) await node.kv.put('k', String(i));
  assert.equal(text(await node.kv.get('k', { revision: first })), 'first');
  await node.close();
  await assert.rejects(aspen.open(dir, { journalSegmentBytes: 1 }));
  await assert.rejects(aspen.open(dir, { historyMs: -1 }), RangeError);
});

test('a client asks for how fresh it must be', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  for (const [i, { kv }] of nodes.entries()) {
    await kv.put('k', String(i));
    for (const how of [{}, { stalenessMs: 0.001 }, { leaseRead: true }]) {
      assert.equal(text(await client.kv.get('k', how)), String(i));
    }
  }
});
