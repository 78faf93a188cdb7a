// What combinators start: functions of a Cx, and a place for the values nobody takes.
//
//   auto fastest = co_await race(cx, attempts([&](Cx& cx) { return ask(cx, a); },
//                                             [&](Cx& cx) { return ask(cx, b); }));
//
// An attempt runs as a task of its own, with the budget of the caller. What it captured goes with it.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/rt/region.h"

namespace aspen::rt {

template <typename T>
using Attempt = std::move_only_function<Task<Result<T>>(Cx&)>;
template <typename T>
using Attempts = std::vector<Attempt<T>>;

// The T of a function that returns Task<Result<T>>.
template <typename F, typename... Args>
using ResultOf = typename detail::ResultValue<std::invoke_result_t<F&, Args...>>::type;

template <typename F, typename... Fs>
auto attempts(F first, Fs... others) {
  Attempts<ResultOf<F, Cx&>> list;
  list.reserve(1 + sizeof...(others));
  list.emplace_back(std::move(first));
  (list.emplace_back(std::move(others)), ...);
  return list;
}

namespace detail {
template <typename T>
struct PerValue {
  using Discard = std::move_only_function<void(T)>;
  using Values = std::vector<T>;
};
template <>
struct PerValue<void> {
  using Discard = std::move_only_function<void()>;
  using Values = void;
};
}  // namespace detail

// Takes each value that came but is not in the result (a connection that lost the race, say), in argument
// order, when everything has ended. Without one such values are destroyed. Called by the combinator's task:
// a Panic in it is that task's, and destroys the values after it.
template <typename T>
using Discard = std::type_identity_t<typename detail::PerValue<T>::Discard>;

template <typename T>
void discard_value(Discard<T>& discard, Outcome<T> outcome) {
  if (!discard || !outcome.ok()) return;
  if constexpr (std::is_void_v<T>) {
    discard();
  } else {
    discard(*std::move(outcome).result());
  }
}

// Several values; void for values of void.
template <typename T>
using Values = typename detail::PerValue<T>::Values;

}  // namespace aspen::rt
