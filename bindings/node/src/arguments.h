// What lib/ passes, as aspen.h takes it.
//
// lib/ has checked types and given defaults; what is checked again here is only what could make C++ go wrong,
// and is answered with a TypeError. Nothing here throws: a value of another type is none, or zero.
#pragma once

#include <aspen.h>
#include <napi.h>

#include <optional>
#include <string>

#include "instance.h"

using Info = const Napi::CallbackInfo&;

// Throws, in JavaScript, and gives what to return then.
Napi::Value type_error(Napi::Env env, const char* message);

// Borrowed for the call. Never null, so that empty bytes are told from none.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

std::optional<Bytes> get_bytes(const Napi::Value& value);
const HandlePtr* get_handle(const Napi::Value& value);
int64_t get_integer(const Napi::Value& value);
bool get_flag(const Napi::Value& value);
uint64_t get_uint64(const Napi::Value& value);
std::optional<std::string> get_text(const Napi::Value& value);
// Borrows the bytes with this name, if there are any.
void set_bytes(const Napi::Object& object, const char* name, const void*& data, size_t& size);
// {prefix, start, end, continuation, limit, reverse, keysOnly, revision, stalenessNs}; it borrows the bytes.
aspen_range_options_t get_range(const Napi::Object& object);

// The first arguments of every call on a node: its handle, a tag, timeoutNs, consistency.
struct Call {
  HandlePtr handle;
  uint64_t tag;
  aspen_call_options_t options;

  static std::optional<Call> from(Info info);
  Napi::Value promise(Napi::Env env, Convert convert, const Instance::SubmitOn& submit) const {
    return Instance::of(env).promise_on(handle, tag, convert, submit);
  }
};
