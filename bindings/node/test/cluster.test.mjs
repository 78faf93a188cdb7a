// Three members, and the leader going away while it is written to.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { aspenBinary, closing, member, memberProcesses, network, until } from './help.mjs';

// Writes and records until told to stop; a failure that was maybe applied is recorded as such.
function writer(kv, name) {
  const acknowledged = new Map();
  const unknown = new Set();
  let stopping = false;
  const done = (async () => {
    for (let i = 0; !stopping; ++i) {
      const key = `${name}/${i}`;
      try {
        acknowledged.set(key, await kv.put(key, String(i)));
      } catch (error) {
        assert.ok(error instanceof aspen.AspenError, error.stack);
        if (error.applied === 'maybe') unknown.add(key);
      }
    }
  })();
  return {
    acknowledged,
    unknown,
    stop() {
      stopping = true;
      return done;
    },
  };
}

async function checkWritten(kv, writers) {
  for (const { acknowledged } of writers) {
    assert.ok(acknowledged.size > 0);
    for (const [key, revision] of acknowledged) {
      const entry = await kv.get(key);
      assert.equal(entry?.modRevision, revision, key);
      assert.equal(entry.version, 1n, `${key} was applied more than once`);
    }
  }
}

test('three members in this process', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket, dir } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  // Every member takes writes and sees those of the others.
  for (const [i, node] of nodes.entries()) await node.kv.put(`k${i}`, String(i));
  for (const node of nodes) {
    for (const i of nodes.keys()) assert.equal((await node.kv.get(`k${i}`)).value.toString(), String(i));
  }

  const writers = Array.from({ length: 8 }, (_, i) => writer(client.kv, `w${i}`));
  await until(() => writers.every((one) => one.acknowledged.size > 5), 'first writes');
  const { leader } = await client.status();
  const index = nodes.findIndex((node) => node.id === leader);
  assert.ok(index >= 0);
  await nodes[index].close();
  const soFar = writers.map((one) => one.acknowledged.size);
  await until(() => writers.every((one, i) => one.acknowledged.size > soFar[i] + 5), 'writes after it');
  await Promise.all(writers.map((one) => one.stop()));
  assert.notEqual((await client.status()).leader, leader);
  await checkWritten(client.kv, writers);

  // The one that went comes back, as itself, and catches up.
  const rejoin = { dir: path.join(dir, String(index)), listen: '127.0.0.1:0', ticket };
  const back = closing(t, await aspen.join(rejoin));
  assert.equal(back.id, leader);
  await checkWritten(back.kv, writers.slice(0, 1));
});

test('one counter, many compare-and-swaps', { timeout: 120_000 }, async (t) => {
  const { nodes } = await network(t, 3);
  await nodes[0].kv.put('counter', '0');
  const increment = async ({ kv }) => {
    for (;;) {
      const { value, modRevision } = await kv.get('counter');
      const next = String(Number(value) + 1);
      if ((await kv.cas('counter', next, { revision: modRevision })).succeeded) return;
    }
  };
  const rounds = 20;
  await Promise.all(nodes.map(async (node) => {
    for (let i = 0; i < rounds; ++i) await increment(node);
  }));
  assert.equal((await nodes[1].kv.get('counter')).value.toString(), String(rounds * nodes.length));
});

test('three processes, the leader killed while writing', {
  timeout: 180_000,
  skip: aspenBinary === undefined && 'ASPEN_BIN does not name the aspen command',
}, async (t) => {
  const members = await memberProcesses(t, 3);
  const client = closing(t, await aspen.connect(members[0].ticket));
  const writers = Array.from({ length: 8 }, (_, i) => writer(client.kv, `w${i}`));
  await until(() => writers.every((one) => one.acknowledged.size > 10), 'first writes');

  for (let round = 0; round < 2; ++round) {
    const { leader } = await client.status();
    const killed = members.findIndex(({ id }) => id === leader);
    assert.ok(killed >= 0);
    const { dir, listen, id } = members[killed];
    members[killed].child.kill('SIGKILL');
    await members[killed].exited;
    const soFar = writers.map((one) => one.acknowledged.size);
    await until(() => writers.every((one, i) => one.acknowledged.size > soFar[i] + 10), 'writes after it');
    const other = members.find((_, i) => i !== killed);
    members[killed] = await member(t, dir, ['--listen', listen, '--join', other.ticket]);
    assert.equal(members[killed].id, id);
  }
  await Promise.all(writers.map((one) => one.stop()));
  await checkWritten(client.kv, writers);
  const status = await client.status();
  assert.equal(status.members.length, 3);
});
