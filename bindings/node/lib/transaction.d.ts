/** Transactions that read before they know what to write, and branches. */

import type { LeaseOptions, Keys, RangeSelection } from './batch.js';
import type { Bytes, CallOptions, Entry } from './index.js';

/** What transactions and branches share: changes that are kept until the commit, and reads that are remembered. */
export interface Draft {
  /** Null when the key is absent. An entry that was put here has revisions of 0n. */
  get(key: Bytes, options?: CallOptions): Promise<Entry | null>;
  /** As `kv.range`. What counts as read is as far as the pages went. */
  range(
    options?: CallOptions & RangeSelection & { pageEntries?: number | undefined },
  ): AsyncGenerator<Entry, void, undefined>;
  /** Throws LIMIT_EXCEEDED or INVALID_ARGUMENT, as the other changes do. */
  put(key: Bytes, value: Bytes, options?: LeaseOptions): void;
  delete(key: Bytes): void;
  /** At least one bound is needed; `{ prefix: '' }` is all keys. */
  deleteRange(keys: Keys): void;
}

export interface TransactOptions extends CallOptions {
  /** How often the function is called at most. Default: 32. */
  attempts?: number | undefined;
}

/**
 * What `kv.transact` calls its function with.
 *
 * All its reads see the store at one revision, with its own changes over it. It is carried out only if nothing that it
 * read has changed since, absent keys and the gaps of ranges included. What is read and changed may come to
 * `limits.transactionOps` and `limits.transactionBytes`: LIMIT_EXCEEDED. It can be used until the function has
 * returned, or what it promised is settled.
 */
export interface Transaction extends Draft {}
export class Transaction {
  private constructor();
}

/**
 * A copy of the keys with a prefix, which costs nothing.
 *
 * ```js
 * const branch = await node.kv.branch('app/');
 * branch.put('app/x', '1');
 * await branch.commit();
 * ```
 *
 * It sees the keys as they were when it was made, with its own changes over them. A branch may have branches, which
 * read through it and are committed into it, at most `limits.branchDepth` deep. Of the limits of a transaction each
 * key that was read takes three, and each that was changed four. Reads and the commit fail with COMPACTED when it
 * lives longer than old revisions are kept. `using branch = await ...` discards it when it was not committed.
 */
export interface Branch extends Draft {}
export class Branch {
  private constructor();
  /** What its keys begin with. */
  readonly prefix: Buffer;
  /** A branch of this one: of all its keys, or of those with a longer prefix. */
  branch(prefix?: Bytes, options?: CallOptions): Promise<Branch>;
  /**
   * Makes the changes, in one step, and resolves with their revision; of a branch of a branch, in that. The branch is
   * then over. Fails with a {@link ConflictError}, and changes nothing, when others have meanwhile changed what it
   * read or changed; it can still be read then. Also with LIMIT_EXCEEDED, QUOTA_EXCEEDED, COMPACTED.
   */
  commit(options?: CallOptions): Promise<bigint>;
  /** Forgets the changes. Can be called again. */
  discard(): void;
  [Symbol.dispose](): void;
}
