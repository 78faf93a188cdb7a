/** Transactions: what is checked, what then happens, what happens else, and what it came to. */

import type { Bytes, CallOptions, Entry } from './index.js';
import type { Lease } from './lease.js';

/** A range of keys: those that begin with `prefix`, or from `start` (inclusive) to `end` (exclusive). */
export type Keys =
  | { readonly prefix: Bytes; readonly start?: undefined; readonly end?: undefined }
  /** Without an `end`: to the last key. */
  | { readonly prefix?: undefined; readonly start: Bytes; readonly end?: Bytes | undefined }
  /** From the first key. */
  | { readonly prefix?: undefined; readonly start?: undefined; readonly end: Bytes };

/** Equal to it, or how what is stored relates to what is given: `{ greater: 3n }` holds of 4n. */
export type Compared<T> = T | { readonly not: T } | { readonly less: T } | { readonly greater: T };

/**
 * What a key must be. An absent key has no value, so that no check of it holds, and is 0n in all that is a bigint.
 */
export type Check =
  /** Of a range: there is no key in it. */
  | { readonly absent: true }
  /** Of a range: there is a key in it. */
  | { readonly present: true }
  | { readonly value: Compared<Bytes> }
  | { readonly version: Compared<bigint> }
  | { readonly createRevision: Compared<bigint> }
  /** The modRevision. */
  | { readonly revision: Compared<bigint> }
  | { readonly lease: Compared<bigint> }
  /** Nothing was put or deleted after that revision. Fails with COMPACTED when the store has forgotten it. */
  | { readonly unchangedSince: bigint };

export interface PreviousOptions {
  /** Give what was there, too. */
  previous?: boolean | undefined;
}

export interface LeaseOptions {
  /**
   * The key goes when this lease, or the one with this number, does; 0n, the default: it stays. Fails with NOT_FOUND
   * when there is no such lease.
   */
  lease?: bigint | Lease | undefined;
}

/** A range that is read. Default: all keys. */
export type RangeSelection = {
  /** At most so many entries. Default: all; in a transaction, as many as a reply holds. */
  limit?: number | undefined;
  /** From the last key to the first. */
  reverse?: boolean | undefined;
  /** Leave values out. */
  keysOnly?: boolean | undefined;
} & (Keys | { readonly prefix?: undefined; readonly start?: undefined; readonly end?: undefined });

/** What happens, in this order; each operation sees what the ones before it did. */
export interface Operations {
  put(key: Bytes, value: Bytes, options?: LeaseOptions & PreviousOptions): this;
  delete(key: Bytes, options?: PreviousOptions): this;
  /** At least one bound is needed; `{ prefix: '' }` is all keys. */
  deleteRange(keys: Keys, options?: PreviousOptions): this;
  get(key: Bytes): this;
  range(options?: RangeSelection): this;
  /**
   * A transaction of its own, at this place; at most `limits.transactionDepth` inside each other. `build` is called
   * at once, with what it is to add to.
   */
  transaction(build: (transaction: Conditional) => Operations | void): this;
}

/** Checks, and what happens when all of them hold. */
export interface Conditional extends Operations {
  /**
   * Of a key, or of every key in a range: that then holds when there is none (except `present`). Checks are of the
   * state before the transaction, wherever among its operations they stand.
   */
  check(keys: Bytes | Keys, expect: Check): this;
  /** What happens when a check does not hold. Nothing can follow it. `build` is called at once. */
  else(build: (branch: Operations) => Operations | void): this;
}

/**
 * A transaction, all of it one step at one revision: when an operation cannot be carried out, none is. Can be
 * applied more than once.
 *
 * ```js
 * const { succeeded, results } = await node.kv.batch()
 *   .check('lock', { absent: true })
 *   .put('lock', 'mine')
 *   .else((b) => b.get('lock'))
 *   .apply();
 * if (!succeeded) console.log('held by', results[0].entry.value.toString());
 * ```
 *
 * At most `limits.transactionOps` checks and operations and `limits.transactionBytes`, nested ones included: over
 * that, `apply` fails with LIMIT_EXCEEDED. What adds to a branch outside its function throws INVALID_ARGUMENT.
 */
export interface Batch extends Conditional {}
export class Batch {
  private constructor();
  /** A check that does not hold is no error: `succeeded` is false and the else branch ran. */
  apply(options?: CallOptions): Promise<BatchResult>;
}

/** Of a put or delete. */
export interface ChangeResult {
  readonly kind: 'change';
  /** Whether the key was there. */
  readonly existed: boolean;
  /** The key's modRevision before; 0n when it was absent. */
  readonly previousRevision: bigint;
  /** What was there, with the option `previous`; null: nothing was, or it was not asked for. */
  readonly previous: Entry | null;
}

export interface DeleteRangeResult {
  readonly kind: 'deleteRange';
  /** Keys deleted. */
  readonly count: number;
  /** With the option `previous`, what they were. */
  readonly previous: readonly Entry[];
}

export interface GetResult {
  readonly kind: 'get';
  /** Null: the key is absent. */
  readonly entry: Entry | null;
}

export interface RangeResult {
  readonly kind: 'range';
  readonly entries: readonly Entry[];
  /** The range has more than these. */
  readonly more: boolean;
}

export interface TransactionResult {
  readonly kind: 'transaction';
  readonly succeeded: boolean;
  /** Of the branch that ran. */
  readonly results: readonly OperationResult[];
}

export type OperationResult = ChangeResult | DeleteRangeResult | GetResult | RangeResult | TransactionResult;

export interface BatchResult {
  /** Whether all checks held. */
  readonly succeeded: boolean;
  readonly revision: bigint;
  /** When it did not succeed, the index of the first check that did not hold. */
  readonly failedCheck: number | null;
  /** What the key of that check, or the first such key of its range, has instead; null: it is absent. */
  readonly current: Entry | null;
  /** One per operation of the branch that ran, in their order. */
  readonly results: readonly OperationResult[];
  /** Of them, those of puts and deletes. */
  readonly changes: readonly ChangeResult[];
}
