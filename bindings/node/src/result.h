// JavaScript values of completed operations.
//
// They come as flat arrays, of which lib/ makes objects: an object literal there costs a tenth of properties
// set one by one from here, and a page of a range holds thousands of entries. Bytes are Buffers of their own,
// revisions are BigInts.
#pragma once

#include <aspen.h>
#include <napi.h>

// What a promise is rejected with: {number, message, applied, retryable}, of an operation that failed also
// its {revision, text}, or of a call that made none: then nothing was applied.
Napi::Object failure(Napi::Env env, const aspen_op_t* op);
Napi::Object failure(Napi::Env env, int32_t code, const char* message);
// A promise already rejected with that.
Napi::Value rejected(Napi::Env env, int32_t code, const char* message);

Napi::Value convert_nothing(Napi::Env env, aspen_op_t* op);
Napi::Value convert_text(Napi::Env env, aspen_op_t* op);
Napi::Value convert_succeeded(Napi::Env env, aspen_op_t* op);
// The External of a node.
Napi::Value convert_node(Napi::Env env, aspen_op_t* op);
// The External of a transaction or branch.
Napi::Value convert_txn(Napi::Env env, aspen_op_t* op);
// [succeeded, revision, conflicts: start and end of each]
Napi::Value convert_commit(Napi::Env env, aspen_op_t* op);
Napi::Value convert_revision(Napi::Env env, aspen_op_t* op);
// Six elements for each entry: key, value, createRevision, modRevision, version, lease.
Napi::Value convert_entries(Napi::Env env, aspen_op_t* op);
// [revision, succeeded, failedCondition (-1: none), entries as above, results: six elements for each, which
// are kind, existed or succeeded or more (whichever its kind has), previousRevision, count, and where its
// entries begin and end]
Napi::Value convert_write(Napi::Env env, aspen_op_t* op);
// [the External of a watch, the revision after which it begins]
Napi::Value convert_watch(Napi::Env env, aspen_op_t* op);
// [revision, events: nine elements for each, which are kind, revision, the entry's six, and the previous
// entry's six as an array, or null]
Napi::Value convert_events(Napi::Env env, aspen_op_t* op);
// [leases: lease, ttl and remaining time in ns, keys of each; the page of its keys as below; whether there
// are more]
Napi::Value convert_leases(Napi::Env env, aspen_op_t* op);
// Five elements for each quota: prefix, bytesMax, keysMax, bytes, keys.
Napi::Value convert_quotas(Napi::Env env, aspen_op_t* op);
// [values, packed tuples, of the entries; a page as below]
Napi::Value convert_scan(Napi::Env env, aspen_op_t* op);
// [entries as above, whether there are more]
Napi::Value convert_listing(Napi::Env env, aspen_op_t* op);
// [entries as above, continuation or null]
Napi::Value convert_page(Napi::Env env, aspen_op_t* op);
