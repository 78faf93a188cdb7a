import aspen = require('aspen');

export async function main(): Promise<void> {
  const node: aspen.Node = await aspen.open('/tmp/x');
  const entry: aspen.Entry | null = await node.kv.get('k');
  console.log(entry?.modRevision, aspen.AspenError);
  await node.close();
}
