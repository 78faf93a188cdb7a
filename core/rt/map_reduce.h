// The same work on many items, a few at a time, and their results put together in order.
//
//   size_t total = 0;
//   ASPEN_CO_CHECK(co_await map_reduce(cx, {.running_max = 8}, std::move(files),
//                                      [&](Cx& cx, File file) { return count_lines(cx, file); },
//                                      [&](size_t lines) { total += lines; }));
//
// `map` runs as a task for each item, in the order of the items; `reduce` is called by the combinator's task
// with each result, in the order of the items too, so what it builds does not depend on who was faster. It
// does not wait.
//
// Result: ok when all were reduced. The first failure ends it: the error; those that run are cancelled
// (fail_fast) and awaited, no more are started. What was reduced until then is a prefix of the items. Ties
// and panics in `map`: crew.h. A panic in `reduce` ends it the same way and goes on to the caller. Losers:
// values after that prefix go to `discard`, or are destroyed without one; so are the items that were not
// started. Cancel: reaches all that run and is awaited, and starts no more. Errors: INVALID_ARGUMENT when
// none may run. Bounds: `running_max` tasks run; twice as many items are started before the first of them is
// reduced.
#pragma once

#include <exception>

#include "core/rt/crew.h"

namespace aspen::rt {

struct MapReduceOptions {
  size_t running_max;
};

template <typename Item, typename Map, typename Reduce, typename T = ResultOf<Map, Cx&, Item>>
Task<Result<>> map_reduce(Cx& cx, MapReduceOptions options, std::vector<Item> items, Map map, Reduce reduce,
                          Discard<T> discard = {}) {
  if (options.running_max == 0) co_return fail(Code::INVALID_ARGUMENT, "0 tasks may run; at least 1");
  ASPEN_CO_CHECK(cx.checkpoint());
  Crew<T> crew(cx, "map_reduce");
  size_t running = 0;
  size_t reduced = 0;
  auto may_start = [&] {
    if (crew.size() == items.size() || cx.cancelled()) return false;
    if (ASPEN_MUTANT("rt-map-reduce-starts-all")) return true;
    return running < options.running_max && crew.size() - reduced < 2 * options.running_max;
  };
  std::optional<size_t> failure;
  std::exception_ptr panic;
  while (!failure && !panic) {
    for (; may_start(); ++running) {
      crew.start(
          [&map, item = std::move(items[crew.size()])](Cx& cx) mutable { return map(cx, std::move(item)); });
    }
    auto ended = co_await crew.next(cx);
    if (!ended) break;
    --running;
    if (!crew.outcome(*ended).ok()) failure = ended;
    try {
      for (; crew.heard(reduced) && crew.outcome(reduced).ok(); ++reduced) {
        if constexpr (std::is_void_v<T>) {
          crew.take(reduced);
          reduce();
        } else {
          reduce(*crew.take(reduced).result());
        }
      }
    } catch (...) {
      panic = std::current_exception();
    }
  }
  if (failure) {
    co_await crew.fail_fast(*failure);
  } else if (panic) {
    co_await crew.stop({CancelKind::fail_fast, "the reduce panicked"});
  } else {
    co_await crew.close();
  }
  if (crew.panicked()) failure = crew.panicked();
  crew.discard_rest(discard);
  if (panic) std::rethrow_exception(panic);
  if (failure) co_return std::unexpected(crew.outcome(*failure).error());
  if (reduced < items.size()) co_return cx.checkpoint();
  co_return Result<>();
}

}  // namespace aspen::rt
