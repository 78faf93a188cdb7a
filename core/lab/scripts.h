// What the clients of the scenarios do (client.h), and what must hold of it in the end.
#pragma once

#include <memory>

#include "core/lab/client.h"

namespace aspen::lab {

// Puts, erases, conditional writes, transactions, gets and ranges, on `keys` keys. Some of the reads may be
// stale, with and without a bound; the others are by lease with the probability `leased`.
std::unique_ptr<Script> mixed_script(uint64_t client, size_t keys, double leased = 0.1);

// Reads the counter and puts one more if it has not changed since.
std::unique_ptr<Script> counter_script();
inline constexpr const char* kCounterKey = "counter";

// Moves money between accounts, by a read of all and a transaction that checks the two it changes.
std::unique_ptr<Script> bank_script(size_t accounts);
inline constexpr int kAccountOpening = 100;
Bytes account_key(size_t account);
// Fills the accounts; once, before the others begin.
WriteCall open_accounts(size_t accounts);

// Puts values of this size on keys of its own, as fast as it can, and reads them back now and then.
std::unique_ptr<Script> writer_script(uint64_t client, size_t value_bytes);

}  // namespace aspen::lab
