/**
 * aspen: a distributed system in a library.
 *
 * ```js
 * const node = await aspen.connect(ticket);
 * await node.kv.put('greeting', 'hello');
 * console.log((await node.kv.get('greeting')).value.toString());
 * await node.close();
 * ```
 *
 * Every failed operation rejects with an {@link AspenError}; an argument of the wrong type rejects (or, in
 * functions that return no promise, throws) a TypeError. Bytes given to a call are copied before it returns.
 */

import errorTable = require('./errors.js');
import type { Batch, LeaseOptions, PreviousOptions, RangeSelection } from './batch.js';
import type { Directory, DirectoryOptions } from './directory.js';
import type { IndexEntry, IndexInfo, IndexScanOptions } from './index_scan.js';
import type { Quota, QuotaLimits } from './keeping.js';
import type { BackupManifest, Verification } from './keeping.js';
import type { Lease, LeaseInfo } from './lease.js';
import type { Watch, WatchOptions } from './watch.js';
import type { Branch, TransactOptions, Transaction } from './transaction.js';

export {
  Batch, type BatchResult, type ChangeResult, type Check, type Compared, type Conditional, type DeleteRangeResult,
  type GetResult, type Keys, type LeaseOptions, type OperationResult, type Operations, type PreviousOptions,
  type RangeResult, type RangeSelection, type TransactionResult,
} from './batch.js';
export { Directory, type DirectoryOptions } from './directory.js';
export { type IndexEntry, type IndexInfo, type IndexScanOptions } from './index_scan.js';
export { type Quota, type QuotaLimits } from './keeping.js';
export { type BackupManifest, type Verification } from './keeping.js';
export { Lease, type LeaseInfo } from './lease.js';
export { Watch, type WatchBatch, type WatchEvent, type WatchOptions } from './watch.js';
export { Branch, type Draft, type TransactOptions, Transaction } from './transaction.js';

/** Bytes: a string is taken as UTF-8. */
export type Bytes = string | Uint8Array;

export type ErrorCode = errorTable.ErrorName;
export type ErrorInfo = errorTable.ErrorInfo;

/** The error table: every code with its number, default texts and meanings. */
export const errors: readonly ErrorInfo[];

/** A failed operation. */
export class AspenError extends Error {
  protected constructor();
  readonly name: 'AspenError' | 'ConflictError';
  /** What went wrong; `message` says which thing, which limit, what to do. */
  readonly code: ErrorCode | 'CONFLICT' | 'UNKNOWN';
  /** The code as a number, the same in every language. */
  readonly number: number;
  /** Whether a failed change can have taken effect: certainly not (now or later), or maybe. */
  readonly applied: 'no' | 'maybe';
  /** Whether the same call may succeed later without anything being changed. */
  readonly retryable: boolean;
  /** Of a watch's COMPACTED: the first revision from which it could be watched. */
  readonly firstRevision?: bigint;
  /** The reason of the signal, when it was aborted. */
  readonly cause?: unknown;
}

/** A range of keys that others changed. */
export interface Conflict {
  readonly start: Buffer;
  /** Exclusive; empty: to the last key. */
  readonly end: Buffer;
  /** When it is the range of one key, that key; else null. */
  readonly key: Buffer | null;
}

/** Others changed what a transaction or branch goes by, so that nothing was changed. Its number is 0. */
export class ConflictError extends AspenError {
  private constructor();
  readonly code: 'CONFLICT';
  /** Of a branch: all that others changed of what it read or changed. */
  readonly conflicts: readonly Conflict[];
}

/** Options every operation takes. */
export interface CallOptions {
  /** Until the operation fails with DEADLINE_EXCEEDED. Default: 10,000; of opening a node: 30,000. */
  timeoutMs?: number | undefined;
  /**
   * Aborting asks the operation to end. The promise settles when it has: rejected with CANCELLED, or with the
   * result when it was too late.
   */
  signal?: AbortSignal | undefined;
}

export interface ReadOptions extends CallOptions {
  /** Read what the nearest member has applied, which may be old. Default: see every completed write. */
  stale?: boolean | undefined;
  /** The same, but see every write that completed so long before. */
  stalenessMs?: number | undefined;
  /**
   * See every completed write, as long as clocks keep to `clockDriftPpm`, and ask no other member while the leader has
   * a lease (the option `leaseReads` of members).
   */
  leaseRead?: boolean | undefined;
  /**
   * Read the store as it was right after this revision; 0n, the default: as it is. Fails with COMPACTED when that
   * has been forgotten, and with INVALID_ARGUMENT when it has not happened yet.
   */
  revision?: bigint | undefined;
}

/** A key with its value and history. */
export interface Entry {
  readonly key: Buffer;
  /** Empty when only keys were asked for. */
  readonly value: Buffer;
  /** The revision of the write that created the key. */
  readonly createRevision: bigint;
  /** The revision of the last write. */
  readonly modRevision: bigint;
  /** 1 at creation, one more with each write; starts again after a delete. */
  readonly version: bigint;
  /** The lease that the key goes with; 0n: none. */
  readonly lease: bigint;
}

/** What a key must be for a change to be made; a revision is its modRevision. */
export type Expect =
  | { readonly absent: true }
  | { readonly present: true }
  | { readonly value: Bytes }
  | { readonly revision: bigint };

export interface PutResult {
  readonly revision: bigint;
  /** What was there; null: nothing. */
  readonly previous: Entry | null;
}

export interface DeleteResult {
  /** Whether the key was there. */
  readonly existed: boolean;
  readonly revision: bigint;
  /** What was there, with the option `previous`; null: nothing was, or it was not asked for. */
  readonly previous: Entry | null;
}

export interface CasResult {
  readonly succeeded: boolean;
  readonly revision: bigint;
  /** When it did not succeed, what the key has instead; null: it is absent. */
  readonly current: Entry | null;
}

export type RangeOptions = ReadOptions &
  RangeSelection & {
    /**
     * Entries fetched, and held, at a time. Default: as many as a reply holds (limits.rangeEntries and
     * limits.rangeBytes). Each page is a read of its own, with `timeoutMs` for itself; with a `revision` they fit
     * together.
     */
    pageEntries?: number | undefined;
  };

/**
 * The replicated key-value store. A write is durable on a majority before its promise resolves, and is
 * applied exactly once.
 */
export class KV {
  private constructor();
  /** Resolves with the revision of the write; with `previous: true`, also with what was there. */
  put(
    key: Bytes, value: Bytes, options?: CallOptions & LeaseOptions & { previous?: false | undefined },
  ): Promise<bigint>;
  put(key: Bytes, value: Bytes, options: CallOptions & LeaseOptions & { previous: true }): Promise<PutResult>;
  /** Null when the key is absent. */
  get(key: Bytes, options?: ReadOptions): Promise<Entry | null>;
  delete(key: Bytes, options?: CallOptions & PreviousOptions): Promise<DeleteResult>;
  /** Puts `value` if the key is as expected. If it is not, that is no error: `succeeded` is false. */
  cas(key: Bytes, value: Bytes, expect: Expect, options?: CallOptions & LeaseOptions): Promise<CasResult>;
  /** Entries in the order of their keys' bytes. */
  range(options?: RangeOptions): AsyncGenerator<Entry, void, undefined>;
  /** A transaction, empty. */
  batch(): Batch;
  /**
   * Calls `fn` with a transaction, commits what it did, and resolves with what it gave.
   *
   * When others have meanwhile changed what it read, `fn` is called again with a new transaction, after a pause that
   * grows; so it must have no other effects. When it throws, or rejects, nothing is changed. `timeoutMs` is that of
   * each read and of the commit, and `signal` ends them. Fails with a {@link ConflictError} after `attempts`, with
   * LIMIT_EXCEEDED, NOT_FOUND (a lease), QUOTA_EXCEEDED, and with COMPACTED when `fn` takes longer than old revisions
   * are kept. A commit that fails with `applied` "maybe" is not made again.
   */
  transact<T>(fn: (tx: Transaction) => T | PromiseLike<T>, options?: TransactOptions): Promise<Awaited<T>>;
  /** A copy of the keys with this prefix, as they are now, to be read and changed and then committed. */
  branch(prefix: Bytes, options?: CallOptions): Promise<Branch>;
  /** Tells what changes, from now on or from a revision on. Fails with LIMIT_EXCEEDED (too many), PERMISSION_DENIED. */
  watch(options?: WatchOptions): Promise<Watch>;
  /** A new lease, for the option `lease` of puts. Fails with INVALID_ARGUMENT (the time), LIMIT_EXCEEDED (too many). */
  grant(ttlMs: number, options?: CallOptions): Promise<Lease>;
  /** The lease with this number, such as that of an entry; nobody is asked. */
  lease(id: bigint): Lease;
  /** All leases, by number. */
  leases(options?: CallOptions): AsyncGenerator<LeaseInfo, void, undefined>;
  /**
   * Forgets what the keys were before `revision`: reads at earlier ones fail with COMPACTED. Resolves with the oldest
   * revision that can still be read. Fails with INVALID_ARGUMENT (one to come), PERMISSION_DENIED.
   */
  compact(revision: bigint, options?: CallOptions): Promise<bigint>;
  /**
   * Bounds what all keys with `prefix` may come to; with neither limit it has no quota any more. Writes that would
   * exceed it fail with QUOTA_EXCEEDED; it can be set below what there is, and what shrinks is always allowed. Fails
   * with LIMIT_EXCEEDED (too many), PERMISSION_DENIED.
   */
  setQuota(prefix: Bytes, quota: QuotaLimits, options?: CallOptions): Promise<void>;
  /** All quotas, by prefix. */
  quotas(options?: CallOptions): Promise<Quota[]>;
  /**
   * Has the keys with `prefix` found by what is in their values, with `scanIndex`.
   *
   * The extractor is 'json:/user/email' (a place in a JSON value), 'number:/price' (the same, numbers only, all as
   * doubles), 'tuple:0' (an item of a packed tuple) or 'value' (all of it, as bytes). It is kept in the same step as
   * every write; keys that are there already are entered in the background, which `indexes` tells. Fails with
   * ALREADY_EXISTS, INVALID_ARGUMENT, LIMIT_EXCEEDED, PERMISSION_DENIED.
   */
  createIndex(name: string, prefix: Bytes, extractor: string, options?: CallOptions): Promise<void>;
  /** Its name is free at once. Fails with NOT_FOUND, PERMISSION_DENIED. */
  dropIndex(name: string, options?: CallOptions): Promise<void>;
  /** All indexes, by age. */
  indexes(options?: CallOptions): Promise<IndexInfo[]>;
  /**
   * The entries of a value, or of several, by value and then by key; what a read of the keys would see. A key with
   * several values comes once for each. Fails with NOT_FOUND, also while the index is being built.
   */
  scanIndex(name: string, options?: IndexScanOptions): AsyncGenerator<IndexEntry, void, undefined>;
  /** The prefix that a path of names stands for. Fails with NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT (the layer). */
  directory(path: readonly string[], options?: DirectoryOptions): Promise<Directory>;
  /** The directories in one, by name; without a path, the outermost. Fails with NOT_FOUND. */
  directories(path?: readonly string[], options?: CallOptions): AsyncGenerator<Directory, void, undefined>;
  /**
   * Gives a directory, with all that is in it, another path; its prefix stays the same. Fails with NOT_FOUND (also of
   * the new place's parent), ALREADY_EXISTS, INVALID_ARGUMENT (a place inside itself).
   */
  moveDirectory(from: readonly string[], to: readonly string[], options?: CallOptions): Promise<Directory>;
  /**
   * Removes it with all directories and keys in it; whether it was there. Fails with LIMIT_EXCEEDED when that is more
   * than one step may change: delete keys under its prefix first.
   */
  removeDirectory(path: readonly string[], options?: CallOptions): Promise<boolean>;
}

export interface MemberStatus {
  readonly nodeId: string;
  readonly address: string;
  /** As the network's membership has it: voter or learner. */
  readonly role: string;
  readonly leader: boolean;
  readonly reachable: boolean;
}

export interface NodeStatus {
  readonly nodeId: string;
  readonly networkId: string;
  readonly mode: 'embedded' | 'found' | 'join' | 'client';
  /** Failed: its disk has, or it was removed from the members. */
  readonly role: 'leader' | 'follower' | 'learner' | 'candidate' | 'client' | 'failed';
  readonly address: string;
  /** The id of the leader, as far as it is known. */
  readonly leader: string;
  readonly term: bigint;
  readonly commit: bigint;
  readonly applied: bigint;
  readonly members: readonly MemberStatus[];
}

/** An open node. */
export class Node {
  private constructor();
  /** 52 characters: the node's public key. */
  readonly id: string;
  /** "host:port"; empty without a network. */
  readonly address: string;
  readonly kv: KV;
  status(options?: CallOptions): Promise<NodeStatus>;
  /**
   * A text with which others can join or connect. Whoever holds it can do so too.
   * Valid for `validMs`; without limit when not given.
   */
  ticket(options?: CallOptions & { validMs?: number | undefined }): Promise<string>;
  /**
   * Takes a node out of the members: one that is gone for good, or that is not to be a member any more. Resolves with
   * whether it was one. It stops, serves what it is asked through the others, and does not come back by itself; with
   * an empty directory and a ticket the machine can join anew. A leader hands over first. Fails with INVALID_ARGUMENT
   * (not a node id, or the only voter), PERMISSION_DENIED (this node was not opened with a ticket that lets nodes be
   * members, with all keys), DEADLINE_EXCEEDED (another change of members is under way, or the voters that would stay
   * have no majority; the message says which).
   */
  removeMember(nodeId: string, options?: CallOptions): Promise<boolean>;
  /**
   * Has the voter with this node id lead; without one, any other than who leads now. Resolves with the node id of who
   * leads then; writes wait meanwhile. Fails with INVALID_ARGUMENT (not a node id), NOT_FOUND (not a voter, or without
   * an id: no other one is in contact), PERMISSION_DENIED (as `removeMember`), DEADLINE_EXCEEDED (it could not take
   * over).
   */
  transferLeadership(nodeId?: string, options?: CallOptions): Promise<string>;
  /**
   * Writes the store, as it is at one revision, into a new directory, or as a tar archive to a descriptor. It holds
   * what was acknowledged before the call; with `stale`, what the nearest member has. Any node can be asked, while the
   * network goes on; without `timeoutMs` it takes as long as it takes. A new node begins with it: `restoreFrom`. Fails
   * with ALREADY_EXISTS (something is in the directory), IO, CORRUPT, OVERLOADED, PERMISSION_DENIED.
   */
  backup(target: string | number, options?: CallOptions & { stale?: boolean | undefined }): Promise<BackupManifest>;
  /** Completes operations in flight with SHUTDOWN, hands leadership on, closes the data. Idempotent. */
  close(): Promise<void>;
  /** Keeps the process running while the node is open: the default of members, which serve others. */
  ref(): this;
  /** Lets the process end while the node is open: the default of embedded nodes and clients. */
  unref(): this;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a node goes about its work. */
export interface NodeOptions extends CallOptions {
  /** The leader forgets earlier revisions when more than so many are kept and ... Default: 10,000. */
  historyRevisions?: number | undefined;
  /** ... what it forgets is older than this. Default: 60,000; Infinity: never. */
  historyMs?: number | undefined;
  /** Of the log's files, each made whole beforehand. Default: 16 MiB; at most 1 GiB. */
  journalSegmentBytes?: number | undefined;
}

/** Of a node that is new. */
export interface RestoreOptions {
  /** A backup's directory to begin with, all of which is checked first. Fails with NOT_FOUND, CORRUPT, ALREADY_EXISTS. */
  restoreFrom?: string | undefined;
}

export interface MemberOptions extends NodeOptions {
  /** The data directory, created when absent. One that holds a node is reopened as that node. */
  dir: string;
  /** "host:port" to listen on; port 0: any. */
  listen: string;
  /** "host:port" the others dial. Default: the address listened on. */
  advertise?: string | undefined;
  /** Of the consensus leader. Default: 50. The same on all members. */
  heartbeatMs?: number | undefined;
  /** Silence before an election. Default: 300; at least 4 heartbeats. */
  electionMs?: number | undefined;
  /** One that is dead or lags for so long, at least 10 elections, has no vote until it has caught up. Default: never. */
  deadVoterMs?: number | undefined;
  /** What a monotonic clock gains or loses at most, for leases. Default: 1,000. */
  clockDriftPpm?: number | undefined;
  /** Promises the leader not to vote for another, which is what `leaseRead` needs of most members. */
  leaseReads?: boolean | undefined;
  /** Reads at this node are served by it also when another one leads, and see as much. */
  memberReads?: boolean | undefined;
}

/** Opens one store in `dir`, without a network. */
export function open(dir: string, options?: NodeOptions & RestoreOptions): Promise<Node>;
/** The first member of a new network. */
export function found(options: MemberOptions & RestoreOptions): Promise<Node>;
/** A further member: resolves when it is one and has caught up. */
export function join(options: MemberOptions & { ticket: string }): Promise<Node>;
/**
 * Looks at all of a node's or a backup's directory that no node is using, and changes nothing. What is damaged is in
 * the result. Fails with NOT_FOUND (it is neither), IN_USE.
 */
export function verify(dir: string, options?: { signal?: AbortSignal | undefined }): Promise<Verification>;
/** A client: uses the network, stores nothing. */
export function connect(ticket: string, options?: CallOptions): Promise<Node>;

/**
 * Keys of typed values, in the order of the values: packed, `['user', 9]` is below `['user', 10]`. The bytes are
 * the same in every language.
 *
 * The order is null < bytes < strings < tuples < integers < Float32 < doubles < false < true < Uuid; -0 is below
 * 0, and NaN, which equals itself here, above Infinity.
 */
export namespace tuple {
  /**
   * A number that is whole is an integer (-0 is 0), any other a double; a whole one beyond 2^53 is refused with a
   * RangeError, because it may not be the number that was meant. A bigint is an integer, from -2^63 to 2^64-1.
   * A string is text, and Uint8Arrays are bytes.
   */
  type Item =
    | null
    | boolean
    | number
    | bigint
    | string
    | Uint8Array
    | Float32
    | Double
    | Uuid
    | readonly Item[];

  /**
   * What an item comes back as: integers as a number, beyond 2^53 as a bigint; doubles as a number, whole ones as
   * a Double. So an item that was unpacked packs to the same bytes.
   */
  type Unpacked = null | boolean | number | bigint | string | Buffer | Float32 | Double | Uuid | Unpacked[];

  /** Keys from `start`, inclusive, to `end`, exclusive: as `kv.range` takes them. */
  interface KeyRange {
    start: Buffer;
    end: Buffer;
  }

  /** A number of 32 bits, the nearest one. */
  class Float32 {
    constructor(value: number);
    readonly value: number;
    valueOf(): number;
  }

  /** A number of 64 bits, also when it is whole. */
  class Double {
    constructor(value: number);
    readonly value: number;
    valueOf(): number;
  }

  class Uuid {
    constructor(bytes: Uint8Array);
    /** Throws INVALID_ARGUMENT when `text` is not of the form 8-4-4-4-12. */
    static parse(text: string): Uuid;
    readonly bytes: Buffer;
    /** In lower case. */
    toString(): string;
  }

  /** `prefix` and then the packed items. Throws LIMIT_EXCEEDED over 65,536 bytes or 32 tuples inside each other. */
  function pack(items: readonly Item[], prefix?: Bytes): Buffer;
  /** The items of a packed tuple. Throws INVALID_ARGUMENT, UNSUPPORTED or LIMIT_EXCEEDED, naming the byte. */
  function unpack(key: Bytes): Unpacked[];
  /** The keys of all tuples that begin with these items and have more. */
  function range(items: readonly Item[], prefix?: Bytes): KeyRange;
}

/** A part of the key space: what its keys begin with, and tuples behind it. */
export class Subspace {
  /** `prefix` is any bytes; the packed items follow it. */
  constructor(items?: readonly tuple.Item[], prefix?: Bytes);
  readonly prefix: Buffer;
  subspace(items: readonly tuple.Item[]): Subspace;
  pack(items: readonly tuple.Item[]): Buffer;
  /** Throws INVALID_ARGUMENT, too, when the key is not of this subspace. */
  unpack(key: Bytes): tuple.Unpacked[];
  /** The keys of all tuples here that begin with these items and have more. */
  range(items?: readonly tuple.Item[]): tuple.KeyRange;
  contains(key: Bytes): boolean;
}

/** The 32 bytes of a node id's text form. Throws INVALID_ARGUMENT when it is none in canonical form. */
export function parseNodeId(text: string): Buffer;
/** The text form of a node id's 32 bytes. */
export function formatNodeId(bytes: Uint8Array): string;

export interface TicketInfo {
  readonly networkId: string;
  readonly peers: readonly { readonly nodeId: string; readonly address: string }[];
  /** What its holder may become. */
  readonly roles: readonly ('client' | 'member')[];
  /** When it expires, in nanoseconds since 1970; 0n: never. */
  readonly notAfterUnixNs: bigint;
}
/** Checks a ticket without using it. Throws TICKET_INVALID or GRANT_EXPIRED. */
export function inspectTicket(ticket: string): TicketInfo;

/** The engine's bounds; sizes in bytes. */
export const limits: {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly transactionOps: number;
  readonly transactionBytes: number;
  readonly transactionDepth: number;
  readonly branchDepth: number;
  readonly rangeEntries: number;
  readonly rangeBytes: number;
  readonly frameBytes: number;
  readonly opsInFlight: number;
  readonly tupleBytes: number;
  readonly tupleDepth: number;
  readonly watches: number;
  readonly watchBufferBytes: number;
  readonly watchRevisionBytes: number;
  readonly quotas: number;
  readonly leases: number;
  readonly leaseKeys: number;
  readonly leaseTtlMinNs: number;
  readonly leaseTtlMaxNs: number;
  readonly indexes: number;
  readonly indexesOfKey: number;
  readonly indexValues: number;
  readonly indexValueBytes: number;
  readonly indexDocumentBytes: number;
};

/** The engine's version, "major.minor.patch". */
export const version: string;
