/** What keeps a store in order: quotas, backups and their verification. */

import type { ErrorCode } from './index.js';

/** What all keys with a prefix may come to, and do. */
export interface Quota {
  readonly prefix: Buffer;
  /** Of keys and values; null: any. */
  readonly bytesMax: number | null;
  /** Null: any. */
  readonly keysMax: number | null;
  readonly bytes: number;
  readonly keys: number;
}

export interface QuotaLimits {
  /** Of keys and values. Default: any. */
  bytesMax?: number | undefined;
  /** Default: any. */
  keysMax?: number | undefined;
}

/** A backup's manifest. */
export interface BackupManifest {
  readonly revision: number;
  readonly keys: number;
  readonly bytes: number;
  readonly [name: string]: unknown;
}

/** What a look at all of a directory has found. */
export interface Verification {
  readonly kind: 'node' | 'backup';
  readonly path: string;
  /** Nothing is wrong with it. */
  readonly ok: boolean;
  readonly problems: readonly { readonly code: ErrorCode; readonly message: string }[];
  readonly [name: string]: unknown;
}
