// Tuples and subspaces: docs/wire.md section 13, in JavaScript's types. See index.d.ts.
'use strict';

const { AspenError } = require('./error.js');
const { bytes } = require('./call.js');

const BYTES_MAX = 65536;  // with the prefix
const DEPTH_MAX = 32;

const BYTES = 0x01;
const TEXT = 0x02;
const NESTED = 0x05;
const ZERO = 0x14;
const FLOAT = 0x20;
const DOUBLE = 0x21;
const UUID = 0x30;
const CONSTANTS = new Map([[0x00, null], [0x26, false], [0x27, true]]);
const BODY_SIZES = new Map([[FLOAT, 4], [DOUBLE, 8], [UUID, 16]]);
// Only the public format has these, and 0x40 to 0x4f.
const UNSUPPORTED = new Set([0x0a, 0x0b, 0x1d, 0x1e, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33]);

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 64n - 1n;

const LONE_SURROGATE = /\p{Surrogate}/u;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Float32 {
  constructor(value) {
    if (typeof value !== 'number') throw new TypeError('a Float32 is made of a number');
    this.value = Math.fround(value);
    Object.freeze(this);
  }

  valueOf() {
    return this.value;
  }
}

class Double {
  constructor(value) {
    if (typeof value !== 'number') throw new TypeError('a Double is made of a number');
    this.value = value;
    Object.freeze(this);
  }

  valueOf() {
    return this.value;
  }
}

class Uuid {
  #bytes;

  constructor(given) {
    if (!(given instanceof Uint8Array) || given.length !== 16) throw new TypeError('a UUID is made of 16 bytes');
    this.#bytes = Buffer.from(given);
  }

  static parse(text) {
    if (typeof text !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
      throw AspenError.local('INVALID_ARGUMENT', 'not a UUID, which is 8-4-4-4-12 hexadecimal digits');
    }
    return new Uuid(Buffer.from(text.replaceAll('-', ''), 'hex'));
  }

  get bytes() {
    return Buffer.from(this.#bytes);
  }

  toString() {
    return this.#bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
}

const tooLong = () => AspenError.local('LIMIT_EXCEEDED', `tuple: more than ${BYTES_MAX} bytes`);

// ---- packing

function pack(items, prefix = '') {
  if (!Array.isArray(items)) throw new TypeError('a tuple is an array of items');
  const packer = new Packer(bytes(prefix, 'prefix'));
  for (const [index, item] of items.entries()) packer.item(item, index);
  return packer.take();
}

class Packer {
  #out = Buffer.allocUnsafe(128);
  #size = 0;
  #depth = 0;

  constructor(prefix) {
    this.#data(prefix);
  }

  take() {
    return Buffer.from(this.#out.subarray(0, this.#size));
  }

  // `index` is that of the outermost item, for errors.
  item(item, index) {
    switch (typeof item) {
      case 'boolean':
        return this.#byte(item ? 0x27 : 0x26);
      case 'number':
        return this.#number(item, index);
      case 'bigint':
        return this.#integer(item, index);
      case 'string':
        return this.#text(item, index);
    }
    if (item === null) return this.#null();
    if (item instanceof Uint8Array) return this.#string(BYTES, item);
    if (Array.isArray(item)) return this.#nested(item, index);
    if (item instanceof Float32) return this.#float(FLOAT, item.value);
    if (item instanceof Double) return this.#float(DOUBLE, item.value);
    if (item instanceof Uuid) return this.#coded(UUID, item.bytes);
    const type = typeof item === 'object' ? `${item.constructor?.name}` : typeof item;
    throw new TypeError(`tuple: item ${index} has a value of type ${type}, which is no type of an item`);
  }

  #reserve(more) {
    const size = this.#size + more;
    if (size > BYTES_MAX) throw tooLong();
    if (size <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(2 * size);
    this.#out.copy(larger, 0, 0, this.#size);
    this.#out = larger;
  }

  #byte(byte) {
    this.#reserve(1);
    this.#out[this.#size++] = byte;
  }

  #data(data) {
    this.#reserve(data.length);
    this.#out.set(data, this.#size);
    this.#size += data.length;
  }

  #coded(code, body) {
    this.#byte(code);
    this.#data(body);
  }

  #null() {
    this.#byte(0x00);
    if (this.#depth > 0) this.#byte(0xff);
  }

  // A whole number that is not exact any more would be a key for several numbers.
  #number(value, index) {
    if (!Number.isInteger(value)) return this.#float(DOUBLE, value);
    if (Number.isSafeInteger(value)) return this.#integer(BigInt(value), index);
    throw new RangeError(`tuple: item ${index} has a whole number beyond 2^53; take a bigint or a tuple.Double`);
  }

  #integer(value, index) {
    if (value < INTEGER_MIN || value > INTEGER_MAX) {
      throw AspenError.local('LIMIT_EXCEEDED', `tuple: integer outside -2^63 to 2^64-1 in item ${index}`);
    }
    const negative = value < 0n;
    const body = Buffer.allocUnsafe(8);
    body.writeBigUInt64BE(negative ? -value : value);
    let first = 0;
    while (first < 8 && body[first] === 0) ++first;
    const size = 8 - first;
    if (negative) flip(body, true);
    this.#coded(negative ? ZERO - size : ZERO + size, body.subarray(first));
  }

  #text(text, index) {
    if (LONE_SURROGATE.test(text)) {
      throw AspenError.local('INVALID_ARGUMENT', `tuple: text that is not UTF-8 in item ${index}`);
    }
    this.#string(TEXT, Buffer.from(text));
  }

  #string(code, data) {
    this.#byte(code);
    let start = 0;
    for (let zero; (zero = data.indexOf(0, start)) >= 0; start = zero + 1) {
      this.#data(data.subarray(start, zero + 1));
      this.#byte(0xff);
    }
    this.#data(data.subarray(start));
    this.#byte(0x00);
  }

  #nested(items, index) {
    if (this.#depth === DEPTH_MAX) {
      const message = `tuple: more than ${DEPTH_MAX} tuples inside each other in item ${index}`;
      throw AspenError.local('LIMIT_EXCEEDED', message);
    }
    ++this.#depth;
    this.#byte(NESTED);
    for (const item of items) this.item(item, index);
    this.#byte(0x00);
    --this.#depth;
  }

  #float(code, value) {
    const bits = Buffer.allocUnsafe(BODY_SIZES.get(code));
    writeFloat(code, value, bits);
    flip(bits, bits[0] >= 0x80);
    this.#coded(code, bits);
  }
}

// The IEEE 754 bits, of NaN always the same: engines give it whichever they like.
function writeFloat(code, value, out) {
  if (Number.isNaN(value)) {
    out.fill(0).writeUInt16BE(code === FLOAT ? 0x7fc0 : 0x7ff8);
  } else if (code === FLOAT) {
    out.writeFloatBE(value);
  } else {
    out.writeDoubleBE(value);
  }
}

function flip(bits, all) {
  for (let i = 0; i < (all ? bits.length : 1); ++i) bits[i] ^= all ? 0xff : 0x80;
}

// ---- unpacking

function unpack(key) {
  return new Unpacker(bytes(key, 'key'), 0).tuple();
}

class Unpacker {
  #data;
  #at;
  #depth = 0;

  constructor(data, start) {
    if (data.length > BYTES_MAX) throw tooLong();
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.length);
    this.#at = start;
  }

  tuple() {
    const items = [];
    while (this.#at < this.#data.length) items.push(this.#item());
    return items;
  }

  #item() {
    const start = this.#at++;
    const code = this.#data[start];
    if (CONSTANTS.has(code)) return CONSTANTS.get(code);
    if (code === BYTES) return this.#string(start);
    if (code === TEXT) return this.#text(start);
    if (code === NESTED) return this.#nested(start);
    if (BODY_SIZES.has(code)) {
      const body = this.#body(start, BODY_SIZES.get(code));
      return code === UUID ? new Uuid(body) : float(code, body, start);
    }
    if (code >= ZERO - 8 && code <= ZERO + 8) return this.#integer(start, code);
    const name = `type code 0x${code.toString(16).padStart(2, '0')}`;
    if (UNSUPPORTED.has(code) || (code >= 0x40 && code <= 0x4f)) {
      throw refusal(`unsupported ${name}`, start, 'UNSUPPORTED');
    }
    throw refusal(`unknown ${name}`, start);
  }

  #body(start, size) {
    if (this.#data.length - this.#at < size) throw refusal('truncated', start);
    this.#at += size;
    return Buffer.from(this.#data.subarray(this.#at - size, this.#at));
  }

  #string(start) {
    const parts = [];
    for (;;) {
      const zero = this.#data.indexOf(0, this.#at);
      if (zero < 0) throw refusal('truncated', start);
      const escaped = this.#data[zero + 1] === 0xff;
      parts.push(this.#data.subarray(this.#at, escaped ? zero + 1 : zero));
      this.#at = escaped ? zero + 2 : zero + 1;
      if (!escaped) return Buffer.concat(parts);
    }
  }

  #text(start) {
    const data = this.#string(start);
    try {
      return utf8.decode(data);
    } catch {
      throw refusal('text that is not UTF-8', start);
    }
  }

  #nested(start) {
    if (this.#depth === DEPTH_MAX) {
      throw refusal(`more than ${DEPTH_MAX} tuples inside each other`, start, 'LIMIT_EXCEEDED');
    }
    ++this.#depth;
    const items = [];
    for (;;) {
      if (this.#at === this.#data.length) throw refusal('truncated', start);
      if (this.#data[this.#at] !== 0) {
        items.push(this.#item());
      } else if (this.#data[++this.#at] === 0xff) {
        items.push(null);
        ++this.#at;
      } else {
        break;
      }
    }
    --this.#depth;
    return items;
  }

  #integer(start, code) {
    const body = this.#body(start, Math.abs(code - ZERO));
    if (code < ZERO) flip(body, true);
    if (body[0] === 0) throw refusal('overlong integer', start);
    const magnitude = BigInt(`0x0${body.toString('hex')}`);
    const value = code < ZERO ? -magnitude : magnitude;
    if (value < INTEGER_MIN) throw refusal('integer below -2^63', start, 'UNSUPPORTED');
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}

function refusal(fault, start, code = 'INVALID_ARGUMENT') {
  return AspenError.local(code, `tuple: ${fault} at byte ${start}`);
}

// What pack() would take for an integer comes back as a Double, so that it packs to the same bytes again.
function float(code, bits, start) {
  flip(bits, bits[0] < 0x80);
  const value = code === FLOAT ? bits.readFloatBE() : bits.readDoubleBE();
  if (Number.isNaN(value)) {
    const nan = Buffer.alloc(bits.length);
    writeFloat(code, value, nan);
    if (!nan.equals(bits)) throw refusal('NaN of another form', start);
  }
  if (code === FLOAT) return new Float32(value);
  return Number.isInteger(value) ? new Double(value) : value;
}

// ---- ranges and subspaces

function range(items, prefix = '') {
  const packed = pack(items, prefix);
  return { start: Buffer.concat([packed, Buffer.of(0x00)]), end: Buffer.concat([packed, Buffer.of(0xff)]) };
}

class Subspace {
  #prefix;

  constructor(items = [], prefix = '') {
    this.#prefix = pack(items, prefix);
  }

  get prefix() {
    return Buffer.from(this.#prefix);
  }

  subspace(items) {
    return new Subspace(items, this.#prefix);
  }

  pack(items) {
    return pack(items, this.#prefix);
  }

  unpack(key) {
    if (this.contains(key)) return new Unpacker(bytes(key, 'key'), this.#prefix.length).tuple();
    throw AspenError.local('INVALID_ARGUMENT', 'tuple: the key is outside the subspace');
  }

  range(items = []) {
    return range(items, this.#prefix);
  }

  contains(key) {
    const data = bytes(key, 'key');
    const size = this.#prefix.length;
    // After a string's end ff makes it a longer string: the key of a sibling. No type has that code.
    return this.#prefix.equals(data.subarray(0, size)) && data[size] !== 0xff;
  }
}

module.exports = { tuple: Object.freeze({ pack, unpack, range, Float32, Double, Uuid }), Subspace };
