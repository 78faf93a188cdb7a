// The functions lib/transaction.js calls: optimistic transactions and branches.
//
// A transaction or branch is an External; it is discarded with it, or before by discard().
#pragma once

#include <napi.h>

void add_txn_functions(Napi::Env env, Napi::Object exports);
