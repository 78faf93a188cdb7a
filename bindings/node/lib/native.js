// The compiled addon, one instance per environment (main thread or worker).
'use strict';

const path = require('node:path');

const file = path.join(__dirname, '..', 'build', 'aspen.node');

let native;
try {
  native = require(file);
} catch (error) {
  throw new Error(`aspen: cannot load ${file}: ${error.message}. It is built by the install script ` +
    '(npm rebuild aspen), which npm must be allowed to run.', { cause: error });
}

// Cleanup hooks do not run at process.exit(): nodes are closed here, so that leadership is handed on and
// directories are released whichever way a program ends.
process.once('exit', () => native.shutDown());

module.exports = native;
