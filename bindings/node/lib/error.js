'use strict';

const table = require('./errors.js');

const names = new Map(table.map((row) => [row.number, row.name]));

// What every failed operation rejects with. See index.d.ts.
class AspenError extends Error {
  constructor({ number, message, applied, retryable, revision, text }, options) {
    super(message, options);
    this.code = names.get(number) ?? 'UNKNOWN';
    this.number = number;
    this.applied = applied;
    this.retryable = retryable;
    // Not for users: what an operation answers although it failed.
    if (text) Object.defineProperty(this, 'report', { value: text });
    if (this.code === 'COMPACTED' && revision) this.firstRevision = revision;
  }

  // An error of this package itself: nothing was sent, so nothing was applied.
  static local(code, message, options) {
    const { number, retryable } = table.find(({ name }) => name === code);
    return new AspenError({ number, message, applied: 'no', retryable }, options);
  }
}
Object.defineProperty(AspenError.prototype, 'name', {
  value: 'AspenError',
  configurable: true,
  writable: true,
});

// Others changed what a transaction or branch goes by. Not of the table: the engine gives it as a result.
class ConflictError extends AspenError {
  constructor(message, { retryable = false, conflicts = [] }) {
    super({ number: 0, message, applied: 'no', retryable });
    this.code = 'CONFLICT';
    this.conflicts = conflicts;
  }
}
Object.defineProperty(ConflictError.prototype, 'name', {
  value: 'ConflictError',
  configurable: true,
  writable: true,
});

module.exports = { AspenError, ConflictError, errors: table };
