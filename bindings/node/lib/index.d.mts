export * from './index.js';
import * as aspen from './index.js';
export default aspen;
