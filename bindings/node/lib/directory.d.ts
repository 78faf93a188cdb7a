/** Directories: paths of names that stand for prefixes. */

import type { Bytes, CallOptions, Subspace } from './index.js';

/**
 * A path, and the prefix of a few bytes that it stands for: a Subspace for the keys of what is there.
 *
 * ```js
 * const users = await node.kv.directory(['app', 'users']);
 * await node.kv.put(users.pack([42, 'name']), 'ada');
 * ```
 */
export class Directory extends Subspace {
  private constructor();
  /** The names, from the outermost on, by which it was opened. */
  readonly path: readonly string[];
  /** Whether opening it has created it. */
  readonly created: boolean;
}

export interface DirectoryOptions extends CallOptions {
  /** Create it, with its parents, when it is not there. Default: true; else NOT_FOUND. */
  create?: boolean | undefined;
  /** Default: true; else ALREADY_EXISTS when it is there. */
  existOk?: boolean | undefined;
  /** What kind of directory it is: a new one gets it, and one that exists must have it. */
  layer?: Bytes | undefined;
}
