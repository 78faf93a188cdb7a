// Which keys a caller means: a range of them, as {prefix}, or {start, end} of which one may be missing.
'use strict';

const { bytes, checkOptions, count, nanoseconds, uint64 } = require('./call.js');

const NO_END = Buffer.alloc(0);  // to the last key

// Copies: a range is read later, page by page.
function keyRange(given) {
  if (given.prefix !== undefined && (given.start !== undefined || given.end !== undefined)) {
    throw new TypeError('a range has a prefix, or start and end, not both');
  }
  const optional = (name) => (given[name] === undefined ? undefined : Buffer.from(bytes(given[name], name)));
  return { prefix: optional('prefix'), start: optional('start'), end: optional('end') };
}

// The first key that does not begin with `prefix` and is above those that do.
function prefixEnd(prefix) {
  const size = prefix.findLastIndex((byte) => byte !== 0xff) + 1;
  if (size === 0) return NO_END;
  const end = Buffer.from(prefix.subarray(0, size));
  ++end[size - 1];
  return end;
}

// [start, end] of a range whose keys are deleted or compared. One without any bound is refused: it is more
// often a variable that was undefined than all keys.
function bounds(given) {
  if (typeof given !== 'object' || given === null) throw new TypeError('a range is {prefix} or {start, end}');
  const { prefix, start, end } = keyRange(given);
  if (prefix !== undefined) return [prefix, prefixEnd(prefix)];
  if (start === undefined && end === undefined) {
    throw new TypeError('a range is {prefix} or {start, end}; {prefix: ""} is all keys');
  }
  return [start ?? Buffer.alloc(0), end ?? NO_END];
}

// The options of a range that is read, as the addon takes them.
function rangeRequest(options) {
  const given = checkOptions(options);
  return {
    ...keyRange(given),
    limit: count(given.limit, 'limit'),
    reverse: given.reverse === true,
    keysOnly: given.keysOnly === true,
    revision: uint64(given.revision, 'revision'),
    stalenessNs: nanoseconds(given.stalenessMs, 'stalenessMs'),
  };
}

module.exports = { bounds, keyRange, rangeRequest };
