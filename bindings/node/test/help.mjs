// What the tests share: directories that go away, clusters in this process and of `aspen node` processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import * as aspen from 'aspen';

const cleanups = new WeakMap();

// Has `cleanup` run when the test is over, the last one first: nodes are closed before their directory goes.
function atEnd(t, cleanup) {
  if (!cleanups.has(t)) {
    const list = [];
    cleanups.set(t, list);
    t.after(async () => {
      while (list.length > 0) await list.pop()();
    });
  }
  cleanups.get(t).push(cleanup);
}

// A directory that exists until the test is over; nodes go into directories inside it.
export function directory(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'aspen-node-test-'));
  atEnd(t, () => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// Closed when the test is over, if the test did not.
export function closing(t, node) {
  atEnd(t, () => node.close());
  return node;
}

export async function embedded(t) {
  return closing(t, await aspen.open(path.join(directory(t), 'data')));
}

// A founder and `size - 1` that join it.
export async function network(t, size) {
  const dir = directory(t);
  const listen = '127.0.0.1:0';
  const founder = closing(t, await aspen.found({ dir: path.join(dir, '0'), listen }));
  const ticket = await founder.ticket();
  const nodes = [founder];
  for (let i = 1; i < size; ++i) {
    nodes.push(closing(t, await aspen.join({ dir: path.join(dir, String(i)), listen, ticket })));
  }
  return { dir, nodes, ticket };
}

// Waits until `condition` gives something true, and returns that.
export async function until(condition, what, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export function rejects(promise, expected) {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof aspen.AspenError, error.stack);
    for (const [name, value] of Object.entries(expected)) {
      if (value instanceof RegExp) assert.match(error[name], value);
      else assert.equal(error[name], value, `${name}: ${error.message}`);
    }
    return true;
  });
}

// ---- members as processes

export const aspenBinary = process.env.ASPEN_BIN;

// Starts `aspen node` and waits until it serves. The process is killed when the test is over.
export async function member(t, dir, args) {
  const child = spawn(aspenBinary, ['node', '--dir', dir, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors += data));
  const ready = await Promise.race([
    once(readline.createInterface(child.stdout), 'line').then(([line]) => JSON.parse(line)),
    exited.then(([code]) => assert.fail(`aspen node ended with ${code}: ${errors}`)),
  ]);
  assert.equal(ready.event, 'ready');
  return { child, dir, id: ready.node_id, listen: ready.listen, ticket: ready.ticket, exited };
}

export async function memberProcesses(t, size) {
  const dir = directory(t);
  const listen = ['--listen', '127.0.0.1:0'];
  const first = await member(t, path.join(dir, '0'), [...listen, '--bootstrap']);
  const members = [first];
  for (let i = 1; i < size; ++i) {
    members.push(await member(t, path.join(dir, String(i)), [...listen, '--join', first.ticket]));
  }
  return members;
}

// ---- programs

// Runs a program of its own, in this package's place; gives {code, signal, out}.
export async function program(source, { timeoutMs = 30_000, flags = [] } = {}) {
  const child = spawn(process.execPath, [...flags, '--input-type=module', '--eval', source], {
    cwd: import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => (out += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const [code, signal] = await new Promise((resolve) => child.once('close', (...how) => resolve(how)));
  clearTimeout(timer);
  return { code, signal, out };
}
