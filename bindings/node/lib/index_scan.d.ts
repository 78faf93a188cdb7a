/** Secondary indexes: keys found by what is in their values. */

import type { CallOptions, Entry, tuple } from './index.js';

/** An index, as it is. */
export interface IndexInfo {
  readonly name: string;
  readonly prefix: Buffer;
  readonly extractor: string;
  readonly state: 'building' | 'ready' | 'dropping';
  /** How many keys have been looked at to build it. */
  readonly records: number;
}

/** A key, and the value that the index has it under. */
export interface IndexEntry {
  readonly value: tuple.Unpacked;
  readonly entry: Entry;
}

/** One value, or those from `start` to `end` (exclusive). Default: all. */
export type IndexScanOptions = CallOptions & {
  limit?: number | undefined;
  /** From the last to the first. */
  reverse?: boolean | undefined;
  /** Leave the entries' values out. */
  keysOnly?: boolean | undefined;
} & (
    | { readonly value: tuple.Item; start?: undefined; end?: undefined }
    | { readonly value?: undefined; readonly start?: tuple.Item | undefined; readonly end?: tuple.Item | undefined }
  );
