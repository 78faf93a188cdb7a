// Moves money between two accounts, any number of programs at once, and never makes or loses any.
//
// usage: node transfer.mjs TICKET FROM TO AMOUNT
import * as aspen from 'aspen';

const [ticket, from, to, amount] = process.argv.slice(2);

async function balance(tx, account) {
  const entry = await tx.get(`account/${account}`);
  return entry === null ? 100 : Number(entry.value); // an account that nobody used has 100
}

// Called again, from the beginning, when somebody changed a balance that it read.
async function transfer(tx) {
  const left = (await balance(tx, from)) - Number(amount);
  if (left < 0) throw new Error(`${from} has ${left + Number(amount)}`);
  tx.put(`account/${from}`, String(left));
  tx.put(`account/${to}`, String((await balance(tx, to)) + Number(amount)));
  return left;
}

const node = await aspen.connect(ticket);
console.log(`${from} now has ${await node.kv.transact(transfer)}`);
await node.close();
