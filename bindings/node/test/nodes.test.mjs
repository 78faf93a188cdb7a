// Opening, reopening and being refused.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { closing, directory, embedded, network, program, rejects } from './help.mjs';

test('an embedded node', async (t) => {
  const node = await embedded(t);
  assert.match(node.id, /^[a-z2-7]{52}$/);
  assert.equal(aspen.formatNodeId(aspen.parseNodeId(node.id)), node.id);
  assert.equal(node.address, '');
  const status = await node.status();
  assert.equal(status.nodeId, node.id);
  assert.equal(status.mode, 'embedded');
  assert.equal(status.role, 'leader');
  assert.equal(status.leader, node.id);
  assert.equal(typeof status.term, 'bigint');
  assert.equal(typeof status.applied, 'bigint');
  await rejects(node.ticket(), { code: 'UNSUPPORTED', applied: 'no' });
  assert.throws(() => (node.id = 'x'), TypeError);
});

test('a node is reopened with its identity and data', async (t) => {
  const dir = path.join(directory(t), 'data');
  const first = await aspen.open(dir);
  const revision = await first.kv.put('k', 'v');
  await first.close();
  const second = closing(t, await aspen.open(dir));
  assert.equal(second.id, first.id);
  assert.equal((await second.kv.get('k')).modRevision, revision);
});

test('a directory in use is refused, in this process and in another', async (t) => {
  const dir = path.join(directory(t), 'data');
  const node = closing(t, await aspen.open(dir));
  await node.kv.put('k', 'v');
  await rejects(aspen.open(dir), { code: 'IN_USE', retryable: true });
  const other = await program(`
    import { open } from 'aspen';
    console.log(await open(${JSON.stringify(dir)}).then(() => 'opened', (error) => error.code));`);
  assert.equal(other.out.trim(), 'IN_USE');
  assert.equal((await node.kv.get('k')).value.toString(), 'v');
  await node.close();
  await (await aspen.open(dir)).close();
});

test('a directory that cannot be one', async (t) => {
  const dir = directory(t);
  await rejects(aspen.open(path.join(dir, 'no', 'parent')), { code: /^(IO|NOT_FOUND)$/, message: /parent/ });
  fs.writeFileSync(path.join(dir, 'file'), 'x');
  await rejects(aspen.open(path.join(dir, 'file')), { code: /^(IO|INVALID_ARGUMENT|ALREADY_EXISTS)$/ });
  assert.equal(fs.readFileSync(path.join(dir, 'file'), 'utf8'), 'x');
  await rejects(aspen.open(''), { code: 'INVALID_ARGUMENT' });
  for (const wrong of [undefined, null, 1, Buffer.from('x'), 'a\0b']) {
    await assert.rejects(aspen.open(wrong), TypeError);
  }
});

test('a directory of one member of several is not an embedded store', { timeout: 60_000 }, async (t) => {
  const { dir, nodes } = await network(t, 2);
  await Promise.all(nodes.map((node) => node.close()));
  for (const name of ['0', '1']) await rejects(aspen.open(path.join(dir, name)), { code: 'WRONG_NODE' });
});

test('found, join and connect', { timeout: 60_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 2);
  const client = closing(t, await aspen.connect(ticket));
  assert.match(nodes[1].address, /^127\.0\.0\.1:\d+$/);
  assert.equal(new Set([nodes[0].id, nodes[1].id, client.id]).size, 3);
  assert.equal(client.address, '');

  const revision = await client.kv.put('k', 'from the client');
  for (const node of nodes) assert.equal((await node.kv.get('k')).modRevision, revision);

  const status = await client.status();
  assert.equal(status.mode, 'client');
  assert.equal(status.role, 'client');
  assert.equal(status.members.length, 2);
  assert.equal(status.members.filter((member) => member.leader).length, 1);
  assert.deepEqual(status.members.map((member) => member.nodeId).sort(), nodes.map((node) => node.id).sort());

  const info = aspen.inspectTicket(ticket);
  assert.equal(info.networkId, status.networkId);
  assert.ok(info.peers.some((peer) => peer.address === nodes[0].address && peer.nodeId === nodes[0].id));
  assert.equal(info.notAfterUnixNs, 0n);

  const hour = aspen.inspectTicket(await nodes[0].ticket({ validMs: 3_600_000 }));
  const left = Number(hour.notAfterUnixNs / 1_000_000n) - Date.now();
  assert.ok(left > 3_500_000 && left <= 3_600_000, `${left} ms left`);
});

test('a ticket that expired', { timeout: 60_000 }, async (t) => {
  const { nodes } = await network(t, 1);
  const ticket = await nodes[0].ticket({ validMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await rejects(aspen.connect(ticket), { code: 'GRANT_EXPIRED' });
  assert.throws(() => aspen.inspectTicket(ticket), { code: 'GRANT_EXPIRED' });
});

test('a ticket that is none', async (t) => {
  const dir = directory(t);
  await rejects(aspen.connect('no ticket'), { code: 'TICKET_INVALID', retryable: false });
  const join = { dir: path.join(dir, 'j'), listen: '127.0.0.1:0', ticket: 'aspen1aaaa' };
  await rejects(aspen.join(join), { code: 'TICKET_INVALID' });
  assert.equal(fs.existsSync(join.dir), false);
  await assert.rejects(aspen.connect(), TypeError);
  await assert.rejects(aspen.join({ dir, listen: '127.0.0.1:0' }), TypeError);
  await assert.rejects(aspen.found({ dir }), TypeError);
  await assert.rejects(aspen.found(), TypeError);
});

test('an address that cannot be listened on', async (t) => {
  const dir = directory(t);
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => socket.close(resolve)));
  const listen = `127.0.0.1:${socket.address().port}`;
  const message = new RegExp(listen);
  await rejects(aspen.found({ dir: path.join(dir, 'a'), listen }), { code: 'IN_USE', message });
  for (const wrong of ['127.0.0.1', '127.0.0.1:x', '127.0.0.1:70000', ':']) {
    await rejects(aspen.found({ dir: path.join(dir, 'b'), listen: wrong }), { code: 'INVALID_ARGUMENT' });
  }
});

test('opening ends at its deadline and on abort', { timeout: 60_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 1);
  await nodes[0].close();  // nobody answers any more
  const late = { code: /^(DEADLINE_EXCEEDED|UNAVAILABLE)$/, retryable: true };
  await rejects(aspen.connect(ticket, { timeoutMs: 300 }), late);
  const controller = new AbortController();
  const call = aspen.connect(ticket, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await rejects(call, { code: 'CANCELLED' });
});

test('await using', { skip: !Symbol.asyncDispose }, async (t) => {
  const node = await embedded(t);
  await node[Symbol.asyncDispose]();
  await rejects(node.kv.get('k'), { code: 'SHUTDOWN' });
});

test('nothing is left of closed nodes', { timeout: 120_000 }, async (t) => {
  const count = () => ({
    descriptors: fs.readdirSync('/proc/self/fd').length,
    threads: fs.readdirSync('/proc/self/task').length,
  });
  const dir = path.join(directory(t), 'data');
  const round = async () => {
    const node = await aspen.open(dir);
    await node.kv.put('k', 'v');
    await node.close();
  };
  await round();
  await round();
  const before = count();
  for (let i = 0; i < 10; ++i) await round();
  const after = count();
  assert.ok(after.descriptors <= before.descriptors + 2, JSON.stringify({ before, after }));
  assert.ok(after.threads <= before.threads + 2, JSON.stringify({ before, after }));
});
