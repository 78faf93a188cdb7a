#include "core/lab/model_load.h"

namespace aspen::lab {

ModelLoad::ModelLoad(World& world, Cluster& cluster, const char* oracle)
    : world_(world), cluster_(cluster), oracle_(oracle) {
  cluster.observed = [this](const raft::Core& core) { committed_.observe(core); };
}

ModelLoad::~ModelLoad() {
  cluster_.observed = nullptr;
}

void ModelLoad::write(Random& random, kv::Transaction transaction) {
  const uint64_t tag = next_tag();
  transaction.compares.insert(transaction.compares.begin(), kv::key_absent(tagged(kLoadPrefix, tag)));
  WriteStory& story = writes_.emplace_back(WriteStory{.tag = tag});
  lab::visit(world_, cluster_, random, "transaction",
             [this, &story, transaction](rt::Cx& cx, Visit visit) -> rt::Task<Result<>> {
               story.acknowledged = visit.acknowledged;
               Result<kv::WriteReply> answer =
                   co_await visit.router().write(cx, {.transaction = transaction});
               if (visit.dead()) co_return Result<>();
               if (answer) cluster_.acknowledge(answer->revision);
               note(visit, "write {}: {}", story.tag,
                    answer ? fmt::format("at {}", answer->revision) : answer.error().to_string());
               story.answer = std::move(answer);
               co_return Result<>();
             });
}

void ModelLoad::finish() {
  // What was told last may have been told before the log was looked at.
  world_.run_for(kMillisecond);
  std::string wrong = committed_.failure();
  for (const WriteStory& story : writes_) {
    if (wrong.empty()) wrong = check_write(story, committed_);
  }
  if (wrong.empty()) wrong = check();
  if (!wrong.empty()) world_.violate(oracle_, wrong);
}

}  // namespace aspen::lab
