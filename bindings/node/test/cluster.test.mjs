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

test('one lock, many transactions', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  const contenders = [...nodes, client];
  const results = await Promise.all(contenders.flatMap((node, i) => Array.from({ length: 25 }, async (_, j) => {
    const name = `${i}/${j}`;
    const { succeeded, results: [first] } = await node.kv.batch()
      .check('lock', { absent: true })
      .put('lock', name)
      .put(`took/${name}`, '')
      .else((b) => b.get('lock'))
      .apply();
    return { name, holder: succeeded ? name : first.entry.value.toString() };
  })));
  // All agree who has it, and no other did what comes with having it.
  const [{ holder }] = results;
  assert.deepEqual(results.filter((one) => one.holder !== holder), []);
  const taken = [];
  for await (const { key } of client.kv.range({ prefix: 'took/' })) taken.push(key.toString());
  assert.deepEqual(taken, [`took/${holder}`]);
});

test('what many transactions keep true stays true while the leader goes away', { timeout: 120_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  // Each moves an entry from one prefix to the other, if it is there, and back, if it is not: one of the two.
  const names = Array.from({ length: 8 }, (_, i) => String(i));
  for (const name of names) await client.kv.put(`left/${name}`, name);
  const move = (name, from, to) => (b) => b.delete(`${from}/${name}`, { previous: true }).put(`${to}/${name}`, name);
  let moves = 0;
  let stopping = false;
  const movers = names.map(async (name) => {
    while (!stopping) {
      const batch = client.kv.batch()
        .transaction((b) => move(name, 'left', 'right')(b.check(`left/${name}`, { present: true })).else((e) => e
          .transaction((back) => move(name, 'right', 'left')(back.check(`right/${name}`, { value: name })))));
      try {
        const { results: [{ succeeded, results }] } = await batch.apply();
        const [{ previous }] = succeeded ? results : results[0].results;
        assert.equal(previous.key.toString(), `${succeeded ? 'left' : 'right'}/${name}`);
        ++moves;
      } catch (error) {
        assert.ok(error instanceof aspen.AspenError, error.stack);
      }
    }
  });
  await until(() => moves > 50, 'first moves');
  const { leader } = await client.status();
  await nodes.find(({ id }) => id === leader).close();
  const soFar = moves;
  await until(() => moves > soFar + 50, 'moves after it');
  stopping = true;
  await Promise.all(movers);
  const { results: [left, right] } =
    await client.kv.batch().range({ prefix: 'left/' }).range({ prefix: 'right/' }).apply();
  const all = [...left.entries, ...right.entries].map(({ value }) => value.toString());
  assert.deepEqual(all.sort(), names);
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
