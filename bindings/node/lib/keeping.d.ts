/** What keeps a store in order: quotas, backups and their verification. */

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
