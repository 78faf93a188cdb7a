#include "core/node/lease_renewer.h"

#include "core/base/log.h"

namespace aspen::node {

rt::Task<Result<>> LeaseRenewer::keep(rt::Cx& cx, kv::LeaseId id) {
  if (keeping_.size() >= kKeepsMax) {
    co_return fail(Code::OVERLOADED, "{} leases are kept by this node; at most {}", keeping_.size(),
                   kKeepsMax);
  }
  Ended ended;
  auto place = keeping_.emplace(id, &ended);
  plan_.add(id, cx.now());
  wake_.set();
  auto how = co_await ended.recv(cx);
  if (how) co_return *std::move(how);
  // Nobody took it out: it ends because its task was cancelled.
  keeping_.erase(place);
  if (!keeping_.contains(id)) plan_.drop(id);
  co_return std::unexpected(std::move(how).error());
}

void LeaseRenewer::end(kv::LeaseId id, const Result<>& how) {
  plan_.drop(id);
  auto [first, last] = keeping_.equal_range(id);
  for (auto one = first; one != last; ++one) one->second->set(how);
  keeping_.erase(first, last);
}

rt::Task<Result<>> LeaseRenewer::run(rt::Cx& cx) {
  for (;;) {
    std::vector<kv::LeaseId> ids = plan_.take_due(cx.now(), kLeasesKeptMax);
    if (ids.empty()) {
      timer_.arm(plan_.next_due());
      ASPEN_CO_CHECK(co_await wake_.wait(cx));
      wake_.reset();
      continue;
    }
    TimeNs asked = cx.now();
    auto kept = co_await router_.keep_alive(cx, ids);
    ASPEN_CO_CHECK(cx.checkpoint());
    if (!kept)
      log(LogLevel::warn, "{} leases are not renewed any more: {}", ids.size(), kept.error().to_string());
    if (!kept) {
      for (kv::LeaseId id : ids) end(id, std::unexpected(kept.error()));
      continue;
    }
    for (kv::LeaseId gone : plan_.renewed(ids, kept->ttls, asked)) {
      end(gone, fail(Code::NOT_FOUND, "lease {} does not exist any more", gone));
    }
  }
}

}  // namespace aspen::node
