// Compiled, not run: that the declarations are complete and strict.
import aspen, { AspenError, type Entry, type ErrorCode, Subspace, connect, found, join, open, tuple } from 'aspen';

export async function every(signal: AbortSignal): Promise<void> {
  await using node = await open('/tmp/x', { timeoutMs: 1000, signal });
  const id: string = node.id;
  const revision: bigint = await node.kv.put('k', new Uint8Array(1), { timeoutMs: 5, signal });
  const entry: Entry | null = await node.kv.get(Buffer.from('k'), { stale: true });
  const text: string | undefined = entry?.value.toString('utf8');
  const { existed, revision: at } = await node.kv.delete('k');
  const put: aspen.PutResult = await node.kv.put('k', 'v', { previous: true, lease: 1n });
  const lease: bigint | undefined = (await node.kv.delete('k', { previous: true })).previous?.lease;
  const then: Entry | null = await node.kv.get('k', { revision: put.revision });
  for await (const { value } of node.kv.range({ revision: at, start: 'a' })) console.log(value, then, lease);
  const swapped = await node.kv.cas('k', 'v', { revision: at });
  await node.kv.cas('k', 'v', { absent: true }, { lease: 1n });
  await node.kv.cas('k', 'v', { present: true });
  await node.kv.cas('k', 'v', { value: 'old' });
  if (!swapped.succeeded) console.log(swapped.current?.modRevision);
  const some = node.kv.range({ prefix: 'a/', limit: 3, reverse: true, stale: true });
  for await (const { key, version } of some) console.log(key, version + 1n);
  const names = node.kv.range({ start: 'a', end: 'b', keysOnly: true, pageEntries: 5 });
  for await (const { key } of names) console.log(key);
  const batch = node.kv.batch().check('a', { absent: true }).put('a', '1').delete('b');
  const result = await batch.apply({ signal });
  const failed: number | null = result.failedCheck;
  const previous: bigint | undefined = result.changes[0]?.previousRevision;
  const transaction: aspen.Batch = node.kv.batch()
    .check('k', { version: { greater: 1n } })
    .check({ prefix: 'a/' }, { unchangedSince: at })
    .check({ start: 'a' }, { value: { not: new Uint8Array(1) } })
    .put('k', 'v', { lease: 1n, previous: true })
    .transaction((b) => b.check('l', { lease: 0n }).get('l').else((e) => { e.delete('l', { previous: true }); }))
    .else((b) => b.get('k').range({ start: 'a', limit: 3, reverse: true }).deleteRange({ prefix: 'b' }));
  const explain = (one: aspen.OperationResult): unknown => {
    switch (one.kind) {
      case 'change': return one.previous?.value ?? one.previousRevision;
      case 'deleteRange': return one.count + one.previous.length;
      case 'get': return one.entry?.value;
      case 'range': return one.more ? one.entries[0]?.key : undefined;
      case 'transaction': return one.succeeded && one.results.map(explain);
    }
  };
  console.log((await transaction.apply()).results.map(explain), aspen.limits.transactionDepth);
  const total: number = await node.kv.transact(async (tx) => {
    let keys = 0;
    for await (const { key } of tx.range({ prefix: 'a/', pageEntries: 3 })) keys += key.length;
    const read: Entry | null = await tx.get('k', { signal });
    tx.put('k', read?.value ?? '', { lease: 1n });
    tx.delete('l');
    tx.deleteRange({ prefix: 'b/' });
    return keys;
  }, { attempts: 3, timeoutMs: 100, signal });
  const plain: string = await node.kv.transact((tx) => tx.put('k', 'v') ?? 'done');
  {
    using branch = await node.kv.branch('a/');
    const inner: aspen.Branch = await branch.branch('a/b/');
    inner.discard();
    const committed: bigint = await branch.commit().catch((error: unknown) => {
      if (!(error instanceof aspen.ConflictError)) throw error;
      const keys: (Buffer | null)[] = error.conflicts.map((conflict) => conflict.key);
      return BigInt(keys.length + aspen.limits.branchDepth);
    });
    console.log(total, plain, committed, branch.prefix);
  }
  for await (const event of await node.kv.watch({ prefix: 'a/', revision: at, previous: true, signal })) {
    const kind: 'put' | 'delete' = event.kind;
    console.log(kind, event.entry?.value, event.previous?.modRevision);
  }
  const watch: aspen.Watch = await node.kv.watch({ key: 'k', puts: false, progressMs: 100, bufferBytes: 1 });
  const told: aspen.WatchBatch = await watch.read({ signal });
  console.log(watch.revision - told.revision);
  watch.close();
  {
    await using kept = (await node.kv.grant(1000, { signal })).keep((error) => console.log(error.code));
    await node.kv.put('k', 'v', { lease: kept });
    for await (const key of kept.keys()) console.log(key.length, kept.lost);
    const info: aspen.LeaseInfo = await node.kv.lease(kept.id).info();
    for await (const { id, remainingMs } of node.kv.leases()) console.log(id === info.id, remainingMs + 1);
    const milliseconds: number = await kept.keepAlive();
    console.log(milliseconds + await kept.revoke());
  }
  const status = await node.status({ timeoutMs: 5 });
  console.log(status.members.map((member) => member.reachable), status.commit - status.applied);
  const removed: boolean = await node.removeMember(id, { timeoutMs: 5, signal });
  const leaders: string[] = [await node.transferLeadership(), await node.transferLeadership(id, { signal })];
  console.log(removed, leaders, status.role === 'failed');
  const ticket: string = await node.ticket({ validMs: 1000 });
  const times = { heartbeatMs: 50, electionMs: 300 };
  const member = await join({ dir: 'd', listen: 'a:1', ticket, advertise: 'b:1', ...times });
  await (await found({ dir: 'd', listen: 'a:1' })).close();
  await member.unref().ref().close();
  await connect(ticket, { signal }).catch((error: unknown) => {
    if (error instanceof AspenError) {
      const code: ErrorCode | 'CONFLICT' | 'UNKNOWN' = error.code;
      const applied: 'no' | 'maybe' = error.applied;
      console.log(code, applied, error.retryable, error.number, error.cause);
    }
  });
  console.log(id, revision, text, existed, failed, previous, aspen.version, aspen.limits.keyBytes);
  console.log(aspen.inspectTicket(ticket).notAfterUnixNs, aspen.formatNodeId(aspen.parseNodeId(id)));
  console.log(aspen.errors[0]?.text);
  const users = new Subspace(['app', 1n, null, [true, new Uint8Array(1)]], 'prefix').subspace([tuple.Uuid.parse(id)]);
  const items: tuple.Unpacked[] = users.unpack(users.pack([new tuple.Float32(1), new tuple.Double(2), 0.5]));
  for await (const { key } of node.kv.range({ ...users.range(['a']), limit: 1 })) console.log(items, tuple.unpack(key));
  console.log(aspen.tuple.pack(items).length + aspen.limits.tupleBytes, users.contains(users.prefix));

  // @ts-expect-error undefined is no item
  tuple.pack([undefined]);
  // @ts-expect-error a tuple is an array
  tuple.pack('ab');
  // @ts-expect-error a prefix excludes start and end
  node.kv.range({ prefix: 'a', start: 'b' });
  // @ts-expect-error a revision is a bigint
  await node.kv.cas('k', 'v', { revision: 1 });
  // @ts-expect-error one comparison
  await node.kv.cas('k', 'v', {});
  // @ts-expect-error keys are bytes
  await node.kv.get(1);
  // @ts-expect-error not a code
  if (new Error() instanceof AspenError && (new Error() as AspenError).code === 'NO_SUCH') return;
  // @ts-expect-error an async function adds too late
  node.kv.batch().else(async (b) => { b.get('k'); });
  // @ts-expect-error an else has no checks
  node.kv.batch().else((b) => b.check('k', { absent: true }));
  // @ts-expect-error only a batch is applied
  node.kv.batch().transaction((b) => b.apply());
  // @ts-expect-error keys to delete are named
  node.kv.batch().deleteRange({});
  // @ts-expect-error a transaction reads its own state
  node.kv.batch().range({ revision: 1n });
  // @ts-expect-error one comparison
  node.kv.batch().check('k', { version: { above: 1n } });
  // @ts-expect-error a change is not awaited
  node.kv.transact((tx) => tx.put('k', 'v').then());
  // @ts-expect-error a transaction is committed by who called its function
  node.kv.transact((tx) => tx.commit());
  // @ts-expect-error a key excludes a prefix
  node.kv.watch({ key: 'a', prefix: 'b' });
  // @ts-expect-error nodes are opened, not made
  new aspen.Node();
  // @ts-expect-error a member listens
  await found({ dir: 'd' });
}
