// The functions lib/watch.js calls. A watch is an External; it is freed with it.
#pragma once

#include <napi.h>

void add_watch_functions(Napi::Env env, Napi::Object exports);
