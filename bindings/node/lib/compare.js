// What a key is expected to be, as the addon takes it.
'use strict';

const { bytes, uint64 } = require('./call.js');

const IF_ABSENT = 1;
const IF_PRESENT = 2;
const IF_VALUE = 3;
const IF_REVISION = 4;

const VALUE = 1;
const EXISTS = 6;
const UNCHANGED_SINCE = 7;
const NUMBERS = new Map([['version', 2], ['createRevision', 3], ['revision', 4], ['lease', 5]]);

const EQUAL = 1;
const RELATIONS = new Map([['not', 2], ['less', 3], ['greater', 4]]);

const EXPECTATIONS = '{absent: true}, {present: true}, {value} and {revision}';
const CHECKS = '{absent: true}, {present: true}, {value}, {version}, {createRevision}, {revision}, {lease} and ' +
  '{unchangedSince}';

// The name and value of the one property `object` has.
function single(object, what) {
  const pairs = typeof object === 'object' && object !== null ? Object.entries(object) : [];
  if (pairs.length !== 1) throw new TypeError(`what to expect is one of ${what}`);
  return pairs[0];
}

function number(value, name) {
  if (value === undefined) throw new TypeError(`the expected ${name} must be a bigint`);
  return uint64(value, `the expected ${name}`);
}

// Of a compare-and-swap: [kind, expected value, revision].
function expectation(expect) {
  const [name, given] = single(expect, EXPECTATIONS);
  if (name === 'absent' && given === true) return [IF_ABSENT, undefined, undefined];
  if (name === 'present' && given === true) return [IF_PRESENT, undefined, undefined];
  if (name === 'value') return [IF_VALUE, bytes(given, 'the expected value'), undefined];
  if (name === 'revision') return [IF_REVISION, undefined, number(given, name)];
  throw new TypeError(`what to expect is one of ${EXPECTATIONS}`);
}

// `given` itself, or {not: given}, {less: given} or {greater: given}.
function relation(given, name) {
  if (typeof given !== 'object' || given === null || given instanceof Uint8Array) return [EQUAL, given];
  const [key, value] = single(given, `the ${name}, {not}, {less} and {greater}`);
  if (!RELATIONS.has(key)) throw new TypeError(`a relation to the ${name} is {not}, {less} or {greater}`);
  return [RELATIONS.get(key), value];
}

// Of a batch's check: {target, relation, value, number}.
function comparison(expect) {
  const [name, given] = single(expect, CHECKS);
  if (name === 'absent' && given === true) return { target: EXISTS, relation: EQUAL, number: 0n };
  if (name === 'present' && given === true) return { target: EXISTS, relation: EQUAL, number: 1n };
  if (name === 'unchangedSince') {
    return { target: UNCHANGED_SINCE, relation: EQUAL, number: number(given, 'revision') };
  }
  if (name === 'value') {
    const [how, value] = relation(given, name);
    return { target: VALUE, relation: how, value: bytes(value, 'the expected value') };
  }
  if (NUMBERS.has(name)) {
    const [how, value] = relation(given, name);
    return { target: NUMBERS.get(name), relation: how, number: number(value, name) };
  }
  throw new TypeError(`what to expect is one of ${CHECKS}`);
}

module.exports = { expectation, comparison };
