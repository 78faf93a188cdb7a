// The functions lib/index_scan.js and lib/directory.js call.
#pragma once

#include <napi.h>

void add_index_functions(Napi::Env env, Napi::Object exports);
