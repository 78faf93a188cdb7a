// Watches: what is told, and that nothing is lost or told twice whatever happens to who reads or who serves.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { aspenBinary, closing, directory, embedded, member, memberProcesses, network, program, rejects, until }
  from './help.mjs';

// The next `count` events, in brief.
async function told(watch, count) {
  const events = [];
  while (events.length < count) {
    const batch = await watch.read({ signal: AbortSignal.timeout(30_000) });
    events.push(...batch.events.map(({ kind, key }) => `${kind} ${key}`));
  }
  return events;
}

test('a watch tells changes', async (t) => {
  const { kv } = await embedded(t);
  const created = await kv.put('user/1', '1');
  const watch = await kv.watch({ prefix: 'user/', previous: true });
  const some = await kv.watch({ start: 'b', end: 'd' });
  const one = await kv.watch({ key: 'b' });
  const deletes = await kv.watch({ puts: false });
  const puts = await kv.watch({ deletes: false });
  const changed = await kv.put('user/1', '2');
  const { revision: deleted } = await kv.delete('user/1');
  for (const key of 'abcd') await kv.put(key, '1');
  const { events, revision } = await watch.read();
  const key = Buffer.from('user/1');
  const entry = (value, modRevision, version) =>
    ({ key, value: Buffer.from(value), createRevision: created, modRevision, version, lease: 0n });
  const first = { kind: 'put', revision: changed, key, entry: entry('2', changed, 2n), previous: entry('1', created, 1n) };
  assert.deepEqual(events[0], first);
  const rest = events.length > 1 ? events[1] : (await watch.read()).events[0];
  assert.deepEqual(rest, { kind: 'delete', revision: deleted, key, entry: null, previous: entry('2', changed, 2n) });
  assert.ok(watch.revision >= deleted && revision >= changed);
  assert.deepEqual(await told(some, 2), ['put b', 'put c']);
  assert.deepEqual(await told(one, 1), ['put b']);
  assert.deepEqual(await told(deletes, 1), ['delete user/1']);
  assert.deepEqual(await told(puts, 5), ['put user/1', 'put a', 'put b', 'put c', 'put d']);
  for (const each of [watch, some, one, deletes, puts]) each.close();
  await assert.rejects(kv.watch({ prefix: 'p', key: 'k' }), TypeError);
  await assert.rejects(kv.watch({ prefix: 'p', start: 'k' }), TypeError);
});

test('a transaction is told whole', async (t) => {
  const { kv } = await embedded(t);
  const watch = await kv.watch({ prefix: 'k' });
  const batch = kv.batch();
  for (let i = 0; i < 500; ++i) batch.put(`k${String(i).padStart(3, '0')}`, '');
  const { revision } = await batch.apply();
  const { events } = await watch.read();
  assert.deepEqual(events.map(({ key }) => String(key)), events.map((_, i) => `k${String(i).padStart(3, '0')}`));
  assert.equal(events.length, 500);
  assert.ok(events.every((event) => event.revision === revision));
});

test('from a revision on', async (t) => {
  const { kv } = await embedded(t);
  const revisions = [];
  for (let i = 0; i < 10; ++i) revisions.push(await kv.put('k', String(i)));
  const watch = await kv.watch({ revision: revisions[3] });
  const seen = [];
  for await (const event of watch) {
    seen.push(event.revision);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, revisions.slice(3, 6));
  assert.equal(watch.revision, revisions[5]);
  const next = await kv.watch({ revision: watch.revision + 1n });
  assert.equal((await told(next, 4)).length, 4);
  assert.equal((await watch.read()).events.length, 4);  // what the loop left, and leaving it has closed the watch
  await rejects(watch.read(), { code: 'INVALID_ARGUMENT' });

  // What is there, and what changes from then on.
  const live = await kv.watch({ prefix: 'k' });
  await kv.put('k', 'later');
  for await (const { value } of kv.range({ revision: live.revision })) assert.equal(value.toString(), '9');
  assert.equal((await live.read()).events[0].entry.value.toString(), 'later');

  const marks = await kv.watch({ key: 'none', progressMs: 100 });
  const latest = await kv.put('k', 'last');
  while (marks.revision < latest) assert.deepEqual((await marks.read()).events, []);
});

test('aborting a read loses nothing', async (t) => {
  const { kv } = await embedded(t);
  const watch = await kv.watch();
  const count = 300;
  const revisions = [];
  const writing = (async () => {
    for (let i = 0; i < count; ++i) revisions.push(await kv.put('k', String(i)));
  })();
  const seen = [];
  let aborted = 0;
  while (seen.length < count) {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    try {
      seen.push(...(await watch.read({ signal: controller.signal })).events.map(({ revision }) => revision));
    } catch (error) {
      assert.equal(error.code, 'CANCELLED', error.stack);
      ++aborted;
    }
  }
  await writing;
  assert.deepEqual(seen, revisions);
  assert.ok(aborted > 0);
});

test('closing a watch ends its loop, and aborting its signal fails it', async (t) => {
  const { kv } = await embedded(t);
  const watch = await kv.watch();
  setTimeout(() => watch.close(), 50);
  for await (const event of watch) assert.fail(event);
  watch.close();
  const controller = new AbortController();
  const aborted = await kv.watch({ signal: controller.signal });
  setTimeout(() => controller.abort(new Error('mine')), 50);
  const loop = (async () => { for await (const event of aborted) assert.fail(event); })();
  const error = await loop.then(() => assert.fail(), (caught) => caught);
  assert.deepEqual([error.code, error.cause.message], ['CANCELLED', 'mine']);
});

test('closing the node ends its watches', async (t) => {
  const node = await aspen.open(path.join(directory(t), 'data'));
  const watch = await node.kv.watch();
  setTimeout(() => node.close(), 50);
  await rejects(watch.read(), { code: 'SHUTDOWN' });
  await rejects(node.kv.watch(), { code: 'SHUTDOWN' });
});

test('many watches', async (t) => {
  const { kv } = await embedded(t);
  const watches = await Promise.all(Array.from({ length: 100 }, (_, i) => kv.watch({ prefix: `k${i % 10}/` })));
  for (let i = 0; i < 10; ++i) await kv.put(`k${i}/x`, '');
  await Promise.all(watches.map(async (watch, i) => assert.deepEqual(await told(watch, 1), [`put k${i % 10}/x`])));
});

test('an open watch does not keep the process, one that is waited for does', async (t) => {
  const source = (rest) => `
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    const watch = await node.kv.watch();
    ${rest}`;
  const idle = await program(source(`console.log('end');`));
  assert.deepEqual([idle.code, idle.out], [0, 'end\n']);
  const waiting = await program(source(`
    setTimeout(() => node.kv.put('k', 'v'), 200).unref();
    for await (const { key } of watch) { console.log(String(key)); break; }`));
  assert.ok(waiting.code === 0 || waiting.out !== '', waiting.out);
});

// Reads everything of what writers change while the leader goes away, and checks that nothing is missing.
async function lossless(client, other, leaderGoes) {
  const watch = await client.kv.watch({ prefix: 'w/' });
  const seen = [];
  const reading = (async () => { for await (const event of watch) seen.push(event); })();
  let stopping = false;
  const writers = Array.from({ length: 6 }, async (_, worker) => {
    while (!stopping) {
      try {
        await other.kv.batch().put(`w/${worker}`, '').put(`w/${worker}/twin`, '').apply();
      } catch (error) {
        assert.ok(error.retryable || error.applied === 'maybe', error.stack);
      }
    }
  });
  const more = (count) => {
    const before = seen.length;
    return until(() => seen.length > before + count, `${count} events`, 60_000);
  };
  await more(100);
  await leaderGoes((await client.status()).leader, () => more(200));
  await more(200);
  stopping = true;
  await Promise.all(writers);
  const end = await client.kv.put('w/end', '');
  await until(() => seen.at(-1).revision >= end, 'the last event');
  watch.close();
  await reading;
  const versions = new Map();
  let last = 0n;
  for (const { revision, key, entry } of seen) {
    assert.ok(revision >= last, `${revision} after ${last}`);
    last = revision;
    assert.equal(entry.version, (versions.get(String(key)) ?? 0n) + 1n, `${key} at ${revision}`);
    versions.set(String(key), entry.version);
  }
  for (let worker = 0; worker < 6; ++worker) {
    assert.equal(versions.get(`w/${worker}`), versions.get(`w/${worker}/twin`));
  }
}

test('nothing is lost or told twice when the leader goes away', { timeout: 180_000 }, async (t) => {
  const { dir, nodes, ticket } = await network(t, 3);
  const clients = [closing(t, await aspen.connect(ticket)), closing(t, await aspen.connect(ticket))];
  await lossless(...clients, async (leader, more) => {
    const index = nodes.findIndex(({ id }) => id === leader);
    await nodes[index].close();
    await more();
    closing(t, await aspen.join({ dir: path.join(dir, String(index)), listen: '127.0.0.1:0', ticket }));
  });
});

test('nothing is lost or told twice when the leader is killed', { timeout: 180_000, skip: !aspenBinary }, async (t) => {
  const members = await memberProcesses(t, 3);
  const connect = async () => closing(t, await aspen.connect(members[0].ticket));
  await lossless(await connect(), await connect(), async (leader, more) => {
    const gone = members.find(({ id }) => id === leader);
    const other = members.find(({ id }) => id !== leader);
    gone.child.kill('SIGKILL');
    await gone.exited;
    await more();
    await member(t, gone.dir, ['--listen', gone.listen, '--join', other.ticket]);
  });
});
