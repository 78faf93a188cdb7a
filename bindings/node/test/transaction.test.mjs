// Transactions that read before they write, and branches.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import * as aspen from 'aspen';
import { aspenBinary, closing, directory, embedded, member, memberProcesses, network, program, rejects, until }
  from './help.mjs';

async function all(range) {
  const found = {};
  for await (const { key, value } of range) found[key] = value.toString();
  return found;
}

const over = { code: 'INVALID_ARGUMENT', message: /the (transaction|branch) is over/, applied: 'no' };

test('a transaction reads, then writes, and gives what its function gave', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('n', '1');
  await kv.put('gone', 'x');
  const given = await kv.transact(async (tx) => {
    const { value, modRevision } = await tx.get('n');
    assert.ok(modRevision > 0n);
    tx.put('n', String(Number(value) + 1));
    tx.delete('gone');
    const mine = await tx.get('n');
    assert.deepEqual([mine.value.toString(), mine.modRevision], ['2', 0n]);
    assert.equal(await tx.get('gone'), null);
    return mine.value.toString();
  });
  assert.equal(given, '2');
  assert.deepEqual(await all(kv.range()), { n: '2' });
  assert.equal(await kv.transact((tx) => tx.put('n', '3')), undefined);
  assert.equal((await kv.get('n')).value.toString(), '3');
});

test('ranges show its own changes', async (t) => {
  const { kv } = await embedded(t);
  for (let i = 0; i < 3; ++i) await kv.put(`a/${i}`, 'old');
  const seen = await kv.transact(async (tx) => {
    tx.put('a/3', 'new');
    tx.delete('a/0');
    tx.deleteRange({ start: 'a/1', end: 'a/2' });
    assert.deepEqual(await all(tx.range({ prefix: 'a/', limit: 1, reverse: true })), { 'a/3': 'new' });
    assert.deepEqual(await all(tx.range({ pageEntries: 1, keysOnly: true })), { 'a/2': '', 'a/3': '' });
    return all(tx.range({ prefix: 'a/' }));
  });
  assert.deepEqual(seen, { 'a/2': 'old', 'a/3': 'new' });
  assert.deepEqual(await all(kv.range()), seen);
});

for (const [what, read, changed] of [
  ['a key', (tx) => tx.get('k/2'), 'k/2'],
  ['an absent key', (tx) => tx.get('k/1'), 'k/1'],
  ['a range', (tx) => all(tx.range({ prefix: 'k/' })), 'k/2'],
  ['a gap of a range', (tx) => all(tx.range({ prefix: 'k/' })), 'k/1'],
]) {
  test(`it is called again when others changed ${what} that it read`, async (t) => {
    const { kv } = await embedded(t);
    await kv.put('k/2', '1');
    const calls = [];
    await kv.transact(async (tx) => {
      calls.push(tx);
      await read(tx);
      if (calls.length === 1) await kv.put(changed, 'theirs');
      tx.put('done', String(calls.length));
    });
    assert.equal(calls.length, 2);
    assert.notEqual(calls[0], calls[1]);
    assert.equal((await kv.get('done')).value.toString(), '2');
    await rejects(calls[0].get('k/2'), over);
  });
}

test('its reads are of one revision, and what it did not read may change', async (t) => {
  const { kv } = await embedded(t);
  await kv.batch().put('a', '1').put('b', '1').apply();
  let calls = 0;
  await kv.transact(async (tx) => {
    ++calls;
    assert.equal((await tx.get('a')).value.toString(), '1');
    await kv.batch().put('b', '2').put('c', '2').apply();
    assert.equal(await tx.get('c'), null);
  });
  await kv.transact(async (tx) => {
    ++calls;
    await tx.get('a');
    await kv.put('b', 'theirs');
    tx.put('b', 'mine');
  });
  assert.equal(calls, 2);
  assert.equal((await kv.get('b')).value.toString(), 'mine');
});

test('it gives up after its attempts, with pauses that grow', async (t) => {
  const { kv } = await embedded(t);
  const starts = [];
  const never = async (tx) => {
    starts.push(performance.now());
    await tx.get('n');
    await kv.put('n', 'theirs');
    tx.put('mine', '1');
  };
  const expected = {
    name: 'ConflictError', code: 'CONFLICT', number: 0, applied: 'no', retryable: true,
    message: 'others changed what the transaction read, in each of 14 attempts',
  };
  await rejects(kv.transact(never, { attempts: 14 }), expected);
  assert.equal(starts.length, 14);
  const pauses = starts.slice(1).map((start, i) => start - starts[i]);
  assert.ok(Math.max(...pauses.slice(7)) > 4 * Math.min(...pauses.slice(0, 4)), pauses.join());
  assert.equal(await kv.get('mine'), null);
  await assert.rejects(kv.transact(never, { attempts: 0 }), RangeError);
  await assert.rejects(kv.transact('fn'), TypeError);
});

test('what throws, or is aborted, changes nothing', async (t) => {
  const { kv } = await embedded(t);
  const mine = new Error('mine');
  await assert.rejects(kv.transact((tx) => { tx.put('k', 'v'); throw mine; }), mine);
  await assert.rejects(kv.transact(async (tx) => { tx.put('k', 'v'); throw mine; }), mine);
  const controller = new AbortController();
  const aborted = kv.transact(async (tx) => { tx.put('k', 'v'); controller.abort(); }, { signal: controller.signal });
  await rejects(aborted, { code: 'CANCELLED', applied: 'no' });
  await rejects(kv.transact(() => assert.fail(), { signal: controller.signal }), { code: 'CANCELLED' });
  assert.deepEqual(await all(kv.range()), {});
});

test('what is refused', async (t) => {
  const { kv } = await embedded(t);
  let left;
  await kv.transact(async (tx) => {
    left = tx;
    const refused = (code, change) => assert.throws(change, (error) => error instanceof aspen.AspenError &&
      error.code === code && error.applied === 'no');
    refused('INVALID_ARGUMENT', () => tx.put('', 'v'));
    refused('LIMIT_EXCEEDED', () => tx.put('k', Buffer.alloc(aspen.limits.valueBytes + 1)));
    refused('INVALID_ARGUMENT', () => tx.deleteRange({ start: 'b', end: 'a' }));
    assert.throws(() => tx.put('k', 5), TypeError);
    assert.throws(() => tx.deleteRange({}), TypeError);
    await rejects(tx.get(''), { code: 'INVALID_ARGUMENT' });
    tx.put('k', 'v');
  });
  assert.deepEqual(await all(kv.range()), { k: 'v' });
  assert.throws(() => left.put('k', 'late'), over);
  assert.throws(() => left.deleteRange({ prefix: '' }), over);
  await rejects(all(left.range()), over);
  const many = kv.transact((tx) => {
    for (let i = 0; i <= aspen.limits.transactionOps; ++i) tx.put(String(i), 'v');
  });
  await rejects(many, { code: 'LIMIT_EXCEEDED', applied: 'no' });
  await rejects(kv.transact((tx) => tx.put('k', 'v', { lease: 12345n })), { code: 'NOT_FOUND' });
});

test('a node that is closed meanwhile', async (t) => {
  const dir = path.join(directory(t), 'data');
  const node = await aspen.open(dir);
  const branch = await node.kv.branch('p/');
  branch.put('p/a', '1');
  await rejects(node.kv.transact(async (tx) => { tx.put('k', 'v'); await node.close(); }), { code: 'SHUTDOWN' });
  await rejects(node.kv.transact(() => {}), { code: 'SHUTDOWN' });
  await rejects(branch.commit(), { code: 'SHUTDOWN' });
  const again = closing(t, await aspen.open(dir));
  assert.deepEqual(await all(again.kv.range()), {});
});

test('a branch is committed, or discarded', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('p/a', '1');
  await kv.put('p/b', '1');
  const branch = await kv.branch('p/');
  assert.equal(branch.prefix.toString(), 'p/');
  branch.put('p/a', '2');
  branch.delete('p/b');
  branch.put('p/c', '2');
  assert.deepEqual(await all(branch.range({ prefix: 'p/' })), { 'p/a': '2', 'p/c': '2' });
  assert.deepEqual(await all(kv.range()), { 'p/a': '1', 'p/b': '1' });
  await kv.put('other', 'theirs');
  assert.ok(await branch.commit() > 0n);
  assert.deepEqual(await all(kv.range({ prefix: 'p/' })), { 'p/a': '2', 'p/c': '2' });
  await rejects(branch.commit(), over);
  assert.throws(() => branch.put('p/a', '3'), over);

  const dropped = await kv.branch('p/');
  dropped.put('p/a', 'never');
  dropped.discard();
  dropped.discard();
  const disposed = await kv.branch('p/');
  disposed.put('p/a', 'never');
  if (Symbol.dispose) disposed[Symbol.dispose]();
  assert.equal((await kv.get('p/a')).value.toString(), '2');
});

test('the conflicts of a branch are named', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('p/a', '1');
  const branch = await kv.branch('p/');
  await branch.get('p/a');
  branch.put('p/b', 'mine');
  await all(branch.range({ start: 'p/c', end: 'p/e' }));
  for (const key of ['p/a', 'p/b', 'p/d', 'p/unread']) await kv.put(key, 'theirs');
  const error = await branch.commit().then(() => assert.fail(), (caught) => caught);
  assert.ok(error instanceof aspen.ConflictError && error instanceof aspen.AspenError);
  assert.deepEqual([error.code, error.applied, error.retryable], ['CONFLICT', 'no', false]);
  assert.equal(error.message, 'others changed what the branch read or changed, in 3 places: "p/a", "p/b", "p/c"; ' +
    'make another branch');
  assert.deepEqual(error.conflicts.map(({ key }) => key?.toString()), ['p/a', 'p/b', undefined]);
  assert.deepEqual([error.conflicts[2].start.toString(), error.conflicts[2].end.toString()], ['p/c', 'p/e']);
  // It can still be read, for another one to be made of it.
  const again = await kv.branch('p/');
  for await (const { key, value } of branch.range({ start: 'p/b', end: 'p/c' })) again.put(key, value);
  await again.commit();
  assert.equal((await kv.get('p/b')).value.toString(), 'mine');
});

test('branches of branches', async (t) => {
  const { kv } = await embedded(t);
  const outer = await kv.branch('p/');
  outer.put('p/x/1', 'outer');
  const inner = await outer.branch('p/x/');
  assert.equal((await inner.get('p/x/1')).value.toString(), 'outer');
  inner.put('p/x/2', 'inner');
  assert.equal(await outer.get('p/x/2'), null);
  assert.throws(() => inner.put('p/y', 'outside'), { code: 'INVALID_ARGUMENT' });
  await inner.commit();
  assert.equal((await outer.get('p/x/2')).value.toString(), 'inner');
  const late = await outer.branch();
  await late.get('p/x/1');
  outer.put('p/x/1', 'again');
  await rejects(late.commit(), { code: 'CONFLICT' });
  assert.equal(await kv.get('p/x/1'), null);
  await outer.commit();
  assert.deepEqual(await all(kv.range()), { 'p/x/1': 'again', 'p/x/2': 'inner' });

  await rejects(kv.branch('p/').then((branch) => branch.branch('q/')), { code: 'INVALID_ARGUMENT' });
  let deepest = await kv.branch('');
  const deeper = async () => {
    for (let i = 0; i <= aspen.limits.branchDepth; ++i) deepest = await deepest.branch();
  };
  await rejects(deeper(), { code: 'LIMIT_EXCEEDED' });
});

test('branches that are dropped leave no memory behind, and the process ends', async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    const large = Buffer.alloc(1 << 20, 1);
    let most = 0;
    for (let i = 0; i < 1000; ++i) {
      (await node.kv.branch('k')).put('k', large);
      if (i % 50 === 0) await new Promise(setImmediate);
      most = Math.max(most, process.memoryUsage().rss / 2 ** 20);
    }
    console.log(most, node.kv !== undefined);`, { timeoutMs: 120_000 });
  assert.deepEqual([result.code, result.signal], [0, null], result.out);
  assert.ok(parseFloat(result.out) < 800, `${result.out} MiB of 1000`);
});

test('many transactions on one counter', { timeout: 120_000 }, async (t) => {
  const { nodes } = await network(t, 3);
  await nodes[0].kv.put('counter', '0');
  const increment = async (tx) => {
    tx.put('counter', String(Number((await tx.get('counter')).value) + 1));
  };
  await Promise.all(nodes.flatMap(({ kv }) => Array.from({ length: 5 }, () => kv.transact(increment, { attempts: 500 }))));
  assert.equal((await nodes[1].kv.get('counter')).value.toString(), '15');
});

// Money is neither made nor lost, and each transfer that was acknowledged has left its line.
async function transfers(client, leaderGoes) {
  const { kv } = client;
  const accounts = 8;
  for (let i = 0; i < accounts; ++i) await kv.put(`account/${i}`, '100');
  const acknowledged = [];
  let stopping = false;
  const workers = Array.from({ length: 6 }, async (_, worker) => {
    for (let i = 0; !stopping; ++i) {
      const [from, to] = [`account/${(worker + i) % accounts}`, `account/${(worker + i + 1 + (i % 3)) % accounts}`];
      const line = `line/${worker}/${i}`;
      try {
        await kv.transact(async (tx) => {
          const balances = await all(tx.range({ prefix: 'account/' }));
          tx.put(from, String(Number(balances[from]) - 1));
          tx.put(to, String(Number(balances[to]) + 1));
          tx.put(line, '');
        });
        acknowledged.push(line);
      } catch (error) {
        assert.ok(error instanceof aspen.AspenError && (error.retryable || error.applied === 'maybe'), error.stack);
        await sleep(5);
      }
    }
  });
  await until(() => acknowledged.length > 20, 'transfers', 60_000);
  await leaderGoes((await client.status()).leader);
  const before = acknowledged.length;
  await until(() => acknowledged.length > before + 20, 'transfers after it', 60_000);
  stopping = true;
  await Promise.all(workers);
  const balances = Object.values(await all(kv.range({ prefix: 'account/' })));
  assert.equal(balances.length, accounts);
  assert.equal(balances.reduce((sum, balance) => sum + Number(balance), 0), 100 * accounts);
  const lines = await all(kv.range({ prefix: 'line/' }));
  assert.deepEqual(acknowledged.filter((line) => !(line in lines)), []);
}

test('transfers while the leader goes away', { timeout: 180_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 3);
  await transfers(closing(t, await aspen.connect(ticket)), (leader) => nodes.find(({ id }) => id === leader).close());
});

test('transfers while the leader is killed', { timeout: 180_000, skip: !aspenBinary }, async (t) => {
  const members = await memberProcesses(t, 3);
  const client = closing(t, await aspen.connect(members[0].ticket));
  await transfers(client, async (leader) => {
    const gone = members.find(({ id }) => id === leader);
    const other = members.find(({ id }) => id !== leader);
    gone.child.kill('SIGKILL');
    await gone.exited;
    await member(t, gone.dir, ['--listen', gone.listen, '--join', other.ticket]);
  });
});
