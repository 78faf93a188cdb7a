// Errors and results. Functions that can fail return Result<T>; nothing in the engine throws for
// control flow. An error says what failed, which limit or rule it met, and what to do about it:
//
//   return fail(Code::LIMIT_EXCEEDED, "key is {} bytes; at most {}", key.size(), limits::kKeyBytesMax);
//
// A failed mutation also says whether it may have been applied (law 7 of docs/architecture.md).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace aspen {

enum class Code : int32_t {
  OK = 0,
#define ASPEN_ERROR(name, number, applied, retryable, text) name = number,
#include "capi/errors.def"
#undef ASPEN_ERROR
};

enum class Applied : uint8_t { NO = 0, MAYBE = 1 };

// One row of capi/errors.def.
struct ErrorInfo {
  Code code;
  const char* name;
  Applied applied;
  bool retryable;
  const char* text;
};

// The row of `number`, or null when the table has none. OK has none.
const ErrorInfo* error_info(int32_t number);

struct Error {
  Code code = Code::INTERNAL;
  Applied applied = Applied::MAYBE;
  std::string message;

  Error(Code code, std::string message);
  Error(Code code, Applied applied, std::string message)
      : code(code), applied(applied), message(std::move(message)) {}

  bool retryable() const;
  const char* name() const;
  // "NAME: message", for people.
  std::string to_string() const;
};

template <typename T = void>
using Result = std::expected<T, Error>;

template <typename... Args>
std::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

// Takes the error out of a failed result, to return it as another Result type.
template <typename T>
std::unexpected<Error> forward_error(Result<T>&& result) {
  return std::unexpected(std::move(result).error());
}

}  // namespace aspen

#define ASPEN_CONCAT_INNER(a, b) a##b
#define ASPEN_CONCAT(a, b) ASPEN_CONCAT_INNER(a, b)

// ASPEN_TRY(auto x, expression): x is the value of a Result, or the error returns from this function.
#define ASPEN_TRY(declaration, ...) \
  ASPEN_TRY_INNER(ASPEN_CONCAT(aspen_try_, __LINE__), return, declaration, __VA_ARGS__)
// The same inside a coroutine.
#define ASPEN_CO_TRY(declaration, ...) \
  ASPEN_TRY_INNER(ASPEN_CONCAT(aspen_try_, __LINE__), co_return, declaration, __VA_ARGS__)
#define ASPEN_TRY_INNER(result, return_keyword, declaration, ...)        \
  auto result = (__VA_ARGS__);                                           \
  if (!result) return_keyword ::aspen::forward_error(std::move(result)); \
  declaration = *std::move(result)

// ASPEN_CHECK(expression): for a Result whose value is not wanted.
#define ASPEN_CHECK(...) ASPEN_CHECK_INNER(ASPEN_CONCAT(aspen_check_, __LINE__), return, __VA_ARGS__)
#define ASPEN_CO_CHECK(...) ASPEN_CHECK_INNER(ASPEN_CONCAT(aspen_check_, __LINE__), co_return, __VA_ARGS__)
#define ASPEN_CHECK_INNER(result, return_keyword, ...) \
  if (auto result = (__VA_ARGS__); !result) return_keyword ::aspen::forward_error(std::move(result))
