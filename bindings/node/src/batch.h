// The functions lib/batch.js calls: a batch as it is put together, and applied.
//
// A batch is an External; it is freed with it. Where each operation goes (a branch, a nested transaction) is
// by order, as in aspen.h; lib/ sees to the order.
#pragma once

#include <napi.h>

void add_batch_functions(Napi::Env env, Napi::Object exports);
