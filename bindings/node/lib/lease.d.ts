/** Leases: time that keys are attached to. */

import type { AspenError, CallOptions } from './index.js';

/** A lease, as it is. */
export interface LeaseInfo {
  readonly id: bigint;
  /** What it was granted for. */
  readonly ttlMs: number;
  /** Before it runs out, if nobody keeps it alive. */
  readonly remainingMs: number;
  /** How many keys are attached. */
  readonly keys: number;
}

/**
 * Time that keys are attached to: they go, all in one step, when it has run out or is revoked.
 *
 * ```js
 * const lease = (await node.kv.grant(10_000)).keep();
 * await node.kv.put('member/1', 'here', { lease });
 * ```
 *
 * The leader counts the time: a lease never runs out before its time has passed since it was granted or renewed, or
 * since the leader came to lead; what holds the leader up makes it last longer. A put without a lease detaches the
 * key. All calls fail with NOT_FOUND when it is gone. `await using lease = ...` drops and revokes it.
 */
export class Lease {
  private constructor();
  readonly id: bigint;
  /** Gives it all its time again, once, and resolves with how much that is, in milliseconds. */
  keepAlive(options?: CallOptions): Promise<number>;
  info(options?: CallOptions): Promise<LeaseInfo>;
  /** The keys that are attached, in order. */
  keys(options?: CallOptions): AsyncGenerator<Buffer, void, undefined>;
  /** Deletes its keys, in one step, and the lease; resolves with how many keys. */
  revoke(options?: CallOptions): Promise<number>;
  /**
   * Has the engine renew it from now on, in the background, each time a third of its time has passed. `onLost` is
   * called when it finds that the lease has run out or was revoked, or the node was closed. It does not keep the
   * process running.
   */
  keep(onLost?: (error: AspenError) => void): this;
  /** Ends `keep`, here and wherever else it is kept at this node; it then runs out. Can be called again. */
  drop(): void;
  /** Whether `keep` has found that it is gone. */
  readonly lost: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}
