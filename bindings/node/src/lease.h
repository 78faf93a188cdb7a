// The functions lib/lease.js calls. A lease is its number.
#pragma once

#include <napi.h>

void add_lease_functions(Napi::Env env, Napi::Object exports);
