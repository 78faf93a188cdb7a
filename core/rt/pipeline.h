// Items through a row of stages that work at the same time, with bounded queues between them.
//
//   co_await pipeline(cx, {.capacity = 16},
//                     [&](Cx& cx) -> Task<Result<std::optional<Block>>> { ... },  // source; nullopt: the end
//                     [&](Cx& cx, Block block) -> Task<Result<Packed>> { ... },   // any number of stages
//                     [&](Cx& cx, Packed packed) -> Task<Result<>> { ... });      // sink
//
// Each stage is one task that takes its items one at a time, so they keep their order; a full queue holds
// back the stage before it. The pipeline is over when the sink has had the last item.
//
// Result: ok then; else the error of the stage that failed first, which ends the others (fail_fast). Ties and
// panics: crew.h; stages are numbered from the source on.
// No item is lost between stages: a stage has a place for what it makes before it takes what it makes it
// from, so what a stage returned is either given to the next stage or, when the pipeline ends early, to
// `discard`, those nearest to the source first. What a stage was given is its own: if it fails, with its
// item. Without a `discard` such items are destroyed.
// Cancel: reaches all stages and is awaited; no stage is given an item any more.
// Bounds: one task for each stage; `capacity` items, finished or in the making, between two stages.
#pragma once

#include "core/rt/channel.h"
#include "core/rt/crew.h"

namespace aspen::rt {

struct DropItems {
  template <typename T>
  void operator()(T) const {}
};

// `discard` takes items of every type that passes between stages; it must not panic.
//   PipelineOptions{.capacity = 4, .discard = [&](auto item) { ... }}
template <typename D = DropItems>
struct PipelineOptions {
  size_t capacity = limits::kPipelineItems;
  D discard = {};
};

namespace detail {

// The queue before a stage, the stage, and all after it.
template <typename In, typename D, typename Stage, typename... Later>
struct Flow;

template <typename In, typename D, typename Sink>
struct Flow<In, D, Sink> {
  Channel<In> in;
  D& discard;
  Sink sink;

  Flow(Region& region, size_t capacity, D& discard, Sink sink)
      : in(region, capacity), discard(discard), sink(std::move(sink)) {}

  void start(Crew<void>& crew) {
    crew.start([this](Cx& cx) { return run(cx); });
  }
  Task<Result<>> run(Cx& cx) {
    for (;;) {
      ASPEN_CO_TRY(std::optional<In> item, co_await in.recv(cx));
      if (!item) co_return Result<>();
      if (cx.cancelled()) {
        discard(*std::move(item));
        co_return cx.checkpoint();
      }
      ASPEN_CO_CHECK(co_await sink(cx, *std::move(item)));
    }
  }
  void discard_rest() {
    while (std::optional<In> item = in.try_recv()) discard(*std::move(item));
  }
};

template <typename In, typename D, typename Stage, typename Next, typename... Later>
struct Flow<In, D, Stage, Next, Later...> {
  using Out = ResultOf<Stage, Cx&, In>;
  Channel<In> in;
  D& discard;
  Stage stage;
  Flow<Out, D, Next, Later...> next;

  Flow(Region& region, size_t capacity, D& discard, Stage stage, Next next, Later... later)
      : in(region, capacity),
        discard(discard),
        stage(std::move(stage)),
        next(region, capacity, discard, std::move(next), std::move(later)...) {}

  void start(Crew<void>& crew) {
    crew.start([this](Cx& cx) { return run(cx); });
    next.start(crew);
  }
  Task<Result<>> run(Cx& cx) {
    for (;;) {
      ASPEN_CO_TRY(auto place, co_await next.in.reserve(cx));
      ASPEN_CO_TRY(std::optional<In> item, co_await in.recv(cx));
      if (!item) break;
      if (cx.cancelled()) {
        discard(*std::move(item));
        co_return cx.checkpoint();
      }
      ASPEN_CO_TRY(Out out, co_await stage(cx, *std::move(item)));
      std::move(place).send(std::move(out));
    }
    next.in.close();
    co_return Result<>();
  }
  void discard_rest() {
    while (std::optional<In> item = in.try_recv()) discard(*std::move(item));
    next.discard_rest();
  }
};

}  // namespace detail

template <typename D = DropItems, typename Source, typename... Stages>
Task<Result<>> pipeline(Cx& cx, PipelineOptions<D> options, Source source, Stages... stages) {
  using Item = typename ResultOf<Source, Cx&>::value_type;
  Crew<void> crew(cx, "pipeline");
  detail::Flow<Item, D, Stages...> flow(crew.region(), options.capacity, options.discard,
                                        std::move(stages)...);
  crew.start([&](Cx& cx) -> Task<Result<>> {
    for (;;) {
      ASPEN_CO_TRY(auto place, co_await flow.in.reserve(cx));
      ASPEN_CO_TRY(std::optional<Item> item, co_await source(cx));
      if (!item) break;
      std::move(place).send(*std::move(item));
    }
    flow.in.close();
    co_return Result<>();
  });
  flow.start(crew);
  std::optional<size_t> failure = co_await crew.close_fail_fast(cx);
  if (!ASPEN_MUTANT("rt-pipeline-drops-item-on-cancel")) flow.discard_rest();
  Discard<void> nothing;
  co_return crew.settle(failure, nothing);
}

}  // namespace aspen::rt
