// The functions lib/keeping.js calls: history, quotas, members, backups and their verification.
#pragma once

#include <napi.h>

void add_keeping_functions(Napi::Env env, Napi::Object exports);
