// A decoder of the wire format, from docs/wire.md sections 1 and 2, of types as the fixtures write them. It
// exists for the tests: the package itself decodes nothing.

export class Refused extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Integers are ordered by value, byte strings as bytes.
const below = (type, a, b) =>
  (type === 'u64' ? BigInt(a) < BigInt(b) : Buffer.compare(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')) < 0);

class Decoder {
  constructor(data, newerPeer) {
    this.data = data;
    this.at = 0;
    this.end = data.length;
    this.newerPeer = newerPeer;
  }

  fixed(size) {
    if (size > this.end - this.at) throw new Refused('truncated');
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }

  u64() {
    let value = 0n;
    for (let index = 0n; index < 10n; ++index) {
      const byte = this.fixed(1)[0];
      value |= BigInt(byte & 0x7f) << (7n * index);
      if (byte >= 0x80) continue;
      if (byte === 0 && index > 0n) throw new Refused('overlong');
      if (value >= 1n << 64n) throw new Refused('range');
      return value;
    }
    throw new Refused('range');
  }

  limited(max) {
    const value = this.u64();
    if (value > BigInt(max)) throw new Refused('limit');
    return value;
  }

  bool() {
    const [byte] = this.fixed(1);
    if (byte > 1) throw new Refused('boolean');
    return byte === 1;
  }

  bytes(max) {
    return this.fixed(Number(this.limited(max)));
  }

  text(max) {
    const bytes = this.bytes(max);
    try {
      const text = utf8.decode(bytes);
      if (!text.includes('\0')) return text;
    } catch {}
    throw new Refused('text');
  }

  count(max) {
    const count = Number(this.limited(max));
    if (count > this.end - this.at) throw new Refused('truncated');
    return count;
  }

  map([keyType, valueType], max) {
    const pairs = [];
    let last;
    for (let left = this.count(max); left > 0; --left) {
      const key = this.value(keyType);
      if (last !== undefined && !below(keyType, last, key)) throw new Refused('order');
      last = key;
      pairs.push([key, this.value(valueType)]);
    }
    return pairs;
  }

  message(kind, fields) {
    if (this.u64() !== BigInt(kind)) throw new Refused('kind');
    const length = this.u64();
    if (length > BigInt(this.end - this.at)) throw new Refused('truncated');
    const outer = this.end;
    this.end = this.at + Number(length);
    const values = fields.map((field) => this.value(field));
    if (this.newerPeer) this.at = this.end;
    this.finish();
    this.end = outer;
    return values;
  }

  finish() {
    if (this.at !== this.end) throw new Refused('left_over');
  }

  // As the fixtures write values: integers as decimal strings, bytes as hexadecimal ones.
  value(type) {
    if (type === 'u8') return String(this.fixed(1)[0]);
    if (type === 'u64') return String(this.u64());
    if (type === 'bool') return this.bool();
    if (type === 'i64') {
      const raw = this.u64();
      return String(raw & 1n ? -(raw >> 1n) - 1n : raw >> 1n);
    }
    if (type.u64) return String(this.limited(type.u64.max));
    if (type.fixed !== undefined) return this.fixed(type.fixed).toString('hex');
    if (type.bytes !== undefined) return this.bytes(type.bytes).toString('hex');
    if (type.text !== undefined) return this.text(type.text);
    if (type.optional !== undefined) return this.bool() ? this.value(type.optional) : null;
    if (type.list !== undefined) {
      return Array.from({ length: this.count(type.max) }, () => this.value(type.list));
    }
    if (type.map !== undefined) return this.map(type.map, type.max);
    return this.message(type.message, type.fields);
  }
}

export function decode(type, data, newerPeer = false) {
  const decoder = new Decoder(data, newerPeer);
  const value = decoder.value(type);
  decoder.finish();
  return value;
}
