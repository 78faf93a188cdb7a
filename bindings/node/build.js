#!/usr/bin/env node
// Builds the addon, and the engine when there is none yet; npm runs it as the install script.
//
//   ASPEN_LIB_DIR=DIR   use DIR/libaspen.so instead of building the engine
//   CXX, CMAKE          the compiler (default: clang++-19, else c++) and cmake to use
//
// The Node-API headers come from npm packages, so nothing is downloaded and node-gyp is not needed. The
// result, build/aspen.node with libaspen.so beside it, finds the engine by its own place ($ORIGIN).
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.resolve(__dirname, '..', '..');
const out = path.join(__dirname, 'build');

function fail(message) {
  console.error(`aspen: ${message}`);
  process.exit(1);
}

function run(command, args) {
  console.log(`aspen: ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`${command} failed (exit ${status}); scripts/setup installs what a build needs`);
}

const works = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

// Builds libaspen.so and returns the directory it is in.
function buildEngine() {
  const cmake = process.env.CMAKE || 'cmake';
  if (!works(cmake)) fail('the engine is built with CMake, which is not here (scripts/setup installs it)');
  const build = path.join(root, 'build', 'npm');
  const options = ['-DCMAKE_BUILD_TYPE=Release', '-DASPEN_TESTS=OFF', '-DASPEN_TOOLS=OFF'];
  // The engine is compiled as its presets do, unless the caller chose.
  if (!process.env.CXX && works('clang++-19')) {
    options.push('-DCMAKE_C_COMPILER=clang-19', '-DCMAKE_CXX_COMPILER=clang++-19');
  }
  if (works('ninja')) options.push('-G', 'Ninja');
  run(cmake, ['-S', root, '-B', build, ...options]);
  run(cmake, ['--build', build, '--target', 'aspen', '--parallel', String(os.availableParallelism())]);
  return path.join(build, 'lib');
}

// Puts the engine into `out`, under the names it is linked and loaded by.
function copyEngine(from) {
  const library = path.join(from, 'libaspen.so');
  if (!fs.existsSync(library)) fail(`there is no ${library}`);
  const real = fs.realpathSync(library);
  fs.copyFileSync(real, path.join(out, 'libaspen.so'));
  for (const name of fs.readdirSync(from)) {
    if (!name.startsWith('libaspen.so.') || fs.realpathSync(path.join(from, name)) !== real) continue;
    fs.symlinkSync('libaspen.so', path.join(out, name));
  }
}

function buildAddon() {
  const sources = path.join(__dirname, 'src');
  // node-addon-api names its directory relative to where it is run from; its headers lie beside package.json.
  const addonApi = path.dirname(require.resolve('node-addon-api/package.json'));
  const nodeApi = path.join(path.dirname(require.resolve('node-api-headers/package.json')), 'include');
  const compiler = process.env.CXX || (works('clang++-19') ? 'clang++-19' : 'c++');
  run(compiler, [
    '-std=c++17', '-O2', '-fPIC', '-shared', '-pthread', '-fvisibility=hidden', '-Wall', '-Wextra',
    '-DNAPI_VERSION=8', '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED',
    // In a worker that is being terminated nothing can be thrown; without this the whole process would abort.
    '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
    '-isystem', nodeApi, '-isystem', addonApi,
    '-I', path.join(root, 'capi', 'include'),
    ...fs.readdirSync(sources).filter((name) => name.endsWith('.cc')).map((name) => path.join(sources, name)),
    '-o', path.join(out, 'aspen.node'), '-L', out, '-laspen', '-Wl,-rpath,$ORIGIN', '-s',
  ]);
}

if (process.platform !== 'linux') fail(`there is no engine for ${process.platform} yet, only for linux`);
const engine = process.env.ASPEN_LIB_DIR ? path.resolve(process.env.ASPEN_LIB_DIR) : buildEngine();
fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(out, { recursive: true });
copyEngine(engine);
buildAddon();
// An installed package keeps only the result; a checkout keeps the build tree, to build faster next time.
if (!process.env.ASPEN_LIB_DIR && root.split(path.sep).includes('node_modules')) {
  fs.rmSync(path.join(root, 'build'), { recursive: true, force: true });
}
console.log(`aspen: built ${path.join(out, 'aspen.node')}`);
