// Reads back what another program wrote, as that program's record grows, and writes keys of its own.
//
// usage: node read_and_write.mjs TICKET THEIR_RECORD RECORD THEIR_COUNT COUNT
//
// RECORD gets one JSON line per acknowledged write: {key, value, t: Unix seconds, us: latency}. Ends with an
// error when a write that was acknowledged to the other program cannot be read.
import * as aspen from 'aspen';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [ticket, theirRecord, record, theirCount, count] = process.argv.slice(2);

// Retries what may succeed later; for reads, and for writes that may be made twice.
async function patiently(operation) {
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (!error.retryable) throw error;
    }
  }
}

async function readBack(node) {
  for (let seen = 0; seen < Number(theirCount); await sleep(20)) {
    const lines = existsSync(theirRecord) ? readFileSync(theirRecord, 'utf8').split('\n').slice(0, -1) : [];
    const fresh = lines.slice(seen).map((line) => JSON.parse(line));
    seen = lines.length;
    await Promise.all(fresh.map(async ({ key, value }) => {
      const entry = await patiently(() => node.kv.get(key, { timeoutMs: 30_000 }));
      if (entry === null || entry.value.toString() !== value) {
        throw new Error(`${key} was acknowledged as ${value} and reads ${entry?.value}`);
      }
    }));
  }
}

async function write(node) {
  for (let i = 0; i < Number(count); i++) {
    const [key, value] = [`node/${i}`, `value ${i}`];
    const started = performance.now();
    await patiently(() => node.kv.put(key, value, { timeoutMs: 30_000 }));
    const us = Math.round((performance.now() - started) * 1000);
    appendFileSync(record, `${JSON.stringify({ key, value, t: Date.now() / 1000, us })}\n`);
  }
}

const node = await aspen.connect(ticket);
await Promise.all([readBack(node), write(node)]);
await node.close();
