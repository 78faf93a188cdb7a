// What a command says when it cannot do what was asked, and what the process exits with.
//
// A person needs four things from a failure: what went wrong, in which words to search for it (the code),
// whether a write may have happened anyway, and what to do next. A script needs the same as JSON and an exit
// code it can branch on. Every failure of every command therefore goes through print_failure.
//
// Thread safety: none needed; values.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "capi/include/aspen.h"

namespace aspen::tools {

enum class Format { TABLE, JSON };

// Exit codes; `aspen --help` lists them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNo = 3;  // asked and answered: the key is absent, the condition does not hold

// The command line was wrong; no code of aspen.h means this.
inline constexpr int32_t kUsage = -1;

struct Failure {
  int32_t code = ASPEN_INTERNAL;
  std::string message;
  std::optional<bool> maybe_applied;  // of writes only
  std::string hint;                   // empty: the code's usual advice

  int exit_code() const;
};

template <typename T = void>
using Result = std::expected<T, Failure>;

template <typename... Args>
std::unexpected<Failure> fail(int32_t code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Failure{code, fmt::format(format, std::forward<Args>(args)...), std::nullopt, {}});
}

// The same with advice that fits better than the code's own.
inline std::unexpected<Failure> fail_hint(int32_t code, std::string message, std::string hint) {
  return std::unexpected(Failure{code, std::move(message), std::nullopt, std::move(hint)});
}

// On stderr: lines for people, or one JSON object {"error":{"code","number","message","applied","retryable",
// "hint"}}; "applied" is "no", "maybe" or null (not a write).
void print_failure(const Failure& failure, Format format);

}  // namespace aspen::tools

// TOOLS_TRY(auto x, expression): x is the value of a Result, or its failure returns from this function.
#define ASPEN_TOOLS_CONCAT_INNER(a, b) a##b
#define ASPEN_TOOLS_CONCAT(a, b) ASPEN_TOOLS_CONCAT_INNER(a, b)
#define TOOLS_TRY(declaration, ...) \
  TOOLS_TRY_INNER(ASPEN_TOOLS_CONCAT(aspen_try_, __LINE__), declaration, __VA_ARGS__)
#define TOOLS_TRY_INNER(result, declaration, ...)                 \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define TOOLS_CHECK(...) TOOLS_CHECK_INNER(ASPEN_TOOLS_CONCAT(aspen_check_, __LINE__), __VA_ARGS__)
#define TOOLS_CHECK_INNER(result, ...) \
  if (auto result = (__VA_ARGS__); !result) return std::unexpected(std::move(result).error())
