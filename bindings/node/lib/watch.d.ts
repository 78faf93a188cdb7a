/** Watches: what changes in some keys, as it happens. */

import type { Keys } from './batch.js';
import type { Bytes, CallOptions, Entry } from './index.js';

/** What to watch: a key, a range of them, or, by default, all keys. `signal` ends the watch, too. */
export type WatchOptions = CallOptions & {
  /** The first revision that is told, past or to come. Default: what comes from now on. */
  revision?: bigint | undefined;
  /** Tell what was there before. */
  previous?: boolean | undefined;
  /** False: only deletes are told. */
  puts?: boolean | undefined;
  /** False: only puts are told. */
  deletes?: boolean | undefined;
  /** A mark about so often, at least 100, when nothing changes: `read` then gives a batch without events. */
  progressMs?: number | undefined;
  /** What the node keeps at most of what was not asked for yet. Default: 1 MiB. */
  bufferBytes?: number | undefined;
} & (
    | ({ readonly key?: undefined } & (Keys | { prefix?: undefined; start?: undefined; end?: undefined }))
    | { readonly key: Bytes; prefix?: undefined; start?: undefined; end?: undefined }
  );

/** One change of one key. */
export interface WatchEvent {
  readonly kind: 'put' | 'delete';
  readonly revision: bigint;
  readonly key: Buffer;
  /** Of a put: the key as it is at that revision. */
  readonly entry: Entry | null;
  /** With the option `previous`: as it was before (its lease is not told). Null: absent, or forgotten. */
  readonly previous: Entry | null;
}

/** All events of one or more revisions, in order; none in a mark. */
export interface WatchBatch {
  /** Everything up to it has been told. */
  readonly revision: bigint;
  readonly events: readonly WatchEvent[];
}

/**
 * What changes in some keys, as it happens.
 *
 * ```js
 * for await (const { kind, key } of await node.kv.watch({ prefix: 'user/' })) console.log(kind, key.toString());
 * ```
 *
 * Every change is told once, in the order of the revisions. When the member that serves it is lost, it goes on at
 * another one where it stood. A reader that is slow loses nothing; only when compaction has overtaken it does the watch
 * end, with COMPACTED, and the error's `firstRevision` is the first that can still be watched. To go on with the state
 * as it is: read the range, and watch from the revision after that. It never goes on with a gap.
 *
 * Leaving the loop closes the watch, and closing it ends the loop. One reads it at a time. An open watch that nobody
 * waits for does not keep the process running.
 */
export class Watch implements AsyncIterable<WatchEvent> {
  private constructor();
  /** Everything up to it has been given: `kv.watch({ revision: watch.revision + 1n })` goes on from here. */
  readonly revision: bigint;
  /** The next batch; waits for it. Aborting `signal` loses nothing: the next one who reads is given it. */
  read(options?: { signal?: AbortSignal | undefined }): Promise<WatchBatch>;
  [Symbol.asyncIterator](): AsyncGenerator<WatchEvent, void, undefined>;
  /** Ends it at once; who waits for it is rejected with CANCELLED. Can be called again. */
  close(): void;
  [Symbol.dispose](): void;
}
