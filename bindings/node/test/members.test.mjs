// Members that are removed, and leadership that is handed on.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { closing, embedded, network, rejects, until } from './help.mjs';

const noticedMs = 3_000;  // after which a leader knows that a member is gone

test('members of three', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  const leader = await until(async () => (await client.status()).leader, 'a leader');
  const chosen = nodes.find(({ id }) => id !== leader).id;
  assert.equal(await client.transferLeadership(chosen), chosen);
  assert.equal((await client.status()).leader, chosen);
  assert.equal(await client.transferLeadership(chosen), chosen);
  const anyone = await client.transferLeadership();
  assert.ok(nodes.some(({ id }) => id === anyone && id !== chosen), anyone);
  assert.equal((await client.status()).leader, anyone);
  await rejects(client.transferLeadership(client.id), { code: 'NOT_FOUND' });

  const [gone, alive] = nodes.filter(({ id }) => id !== anyone);
  await gone.close();
  await sleep(noticedMs);
  const begin = Date.now();
  const late = client.removeMember(alive.id, { timeoutMs: 1_000 });
  await rejects(late, { code: 'DEADLINE_EXCEEDED', message: /no majority/ });
  await rejects(client.transferLeadership(gone.id, { timeoutMs: 1_000 }), { code: 'DEADLINE_EXCEEDED' });
  assert.ok(Date.now() - begin < 6_000);
  const signal = AbortSignal.timeout(200);
  await rejects(client.removeMember(alive.id, { signal }), { code: 'CANCELLED' });
  assert.equal(await client.removeMember(gone.id), true);
  assert.equal(await client.removeMember(gone.id), false);
  const left = (await client.status()).members.map(({ nodeId }) => nodeId);
  assert.deepEqual(left.sort(), nodes.map(({ id }) => id).filter((id) => id !== gone.id).sort());
  await rejects(client.transferLeadership(gone.id), { code: 'NOT_FOUND' });
  await client.kv.put('k', 'v');
});

test('the only member', { timeout: 60_000 }, async (t) => {
  const node = await embedded(t);
  await rejects(node.removeMember(node.id), { code: 'INVALID_ARGUMENT', message: /only voter/ });
  assert.equal(await node.transferLeadership(node.id), node.id);
  for (const wrong of ['', 'x', node.id.slice(1), `${node.id}a`]) {
    await rejects(node.removeMember(wrong), { code: 'INVALID_ARGUMENT' });
    await rejects(node.transferLeadership(wrong), { code: 'INVALID_ARGUMENT' });
  }
  for (const wrong of [null, 1, Buffer.from(node.id), `${node.id}\0`]) {
    await assert.rejects(node.removeMember(wrong), TypeError);
    await assert.rejects(node.transferLeadership(wrong), TypeError);
  }
  await assert.rejects(node.removeMember(), TypeError);
  await assert.rejects(node.removeMember(node.id, { timeoutMs: 0 }), RangeError);
  await rejects(node.transferLeadership(), { code: 'NOT_FOUND' });
  await node.kv.put('k', 'v');
});
