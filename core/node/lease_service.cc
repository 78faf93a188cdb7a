#include "core/node/lease_service.h"

#include <algorithm>

#include "core/base/mutant.h"
#include "core/kv/key_ranges.h"

namespace aspen::node {
namespace {

constexpr size_t kListPage = 1000;

std::unexpected<Error> no_such(kv::LeaseId id) {
  return fail(Code::NOT_FOUND, "lease {} does not exist", id);
}

template <typename T>
size_t at_most(T wanted, size_t max) {
  return wanted == 0 ? max : std::min<size_t>(wanted, max);
}

}  // namespace

// One that this member has not heard of may have been granted all the same, for whoever asks.
bool LeaseService::hidden(BytesView scope, kv::LeaseId id) const {
  if (scope.empty() || ASPEN_MUTANT("node-lease-of-another-scope")) return false;
  auto lease = replica_.machine().lease(id);
  return lease && !lease->prefix.starts_with(scope);
}

void LeaseService::keep_alive(BytesView scope, BytesView body, Answer answer) {
  auto request = decode_lease_keep_alive(body);
  if (!request) return answer(std::unexpected(std::move(request).error()));
  if (replica_.driver().replacing()) {
    return answer(fail(Code::UNAVAILABLE, "the state is being replaced by a snapshot"));
  }
  std::vector<bool> asked;
  std::vector<kv::LeaseId> ids;
  for (kv::LeaseId id : request->ids) {
    asked.push_back(!hidden(scope, id));
    if (asked.back()) ids.push_back(id);
  }
  replica_.leases().keep_alive(
      std::move(ids), [asked, answer = std::move(answer)](Result<std::vector<DurationNs>> ttls) mutable {
        if (!ttls) return answer(std::unexpected(std::move(ttls).error()));
        LeasesKept kept;
        auto next = ttls->begin();
        for (bool one : asked) kept.ttls.push_back(one ? *next++ : 0);
        answer(encode(kept));
      });
}

void LeaseService::info(BytesView scope, BytesView body, Answer answer) {
  auto request = decode_lease_request(body);
  if (!request) return answer(std::unexpected(std::move(request).error()));
  confirmed([this, scope = Bytes(scope), request = *std::move(request)] { return info_now(scope, request); },
            std::move(answer));
}

void LeaseService::list(BytesView scope, BytesView body, Answer answer) {
  auto request = decode_lease_list_request(body);
  if (!request) return answer(std::unexpected(std::move(request).error()));
  confirmed([this, scope = Bytes(scope), request = *request] { return list_now(scope, request); },
            std::move(answer));
}

void LeaseService::confirmed(std::function<Result<Bytes>()> read, Answer answer) {
  replica_.leases().confirm([alive = std::weak_ptr<bool>(alive_), read = std::move(read),
                             answer = std::move(answer)](Result<> ready) mutable {
    if (alive.expired()) return answer(fail(Code::SHUTDOWN, "the node is closing"));
    if (!ready) return answer(std::unexpected(std::move(ready).error()));
    answer(read());
  });
}

Result<LeaseState> LeaseService::state(const kv::Lease& lease) const {
  ASPEN_TRY(DurationNs remaining, replica_.leases().remaining(lease.id));
  return LeaseState{lease.id, lease.ttl, remaining, lease.keys};
}

Result<Bytes> LeaseService::info_now(BytesView scope, const LeaseRequest& request) const {
  if (hidden(scope, request.id)) return no_such(request.id);
  ASPEN_TRY(kv::Lease lease, replica_.machine().lease(request.id));
  LeaseInfo info;
  ASPEN_TRY(info.lease, state(lease));
  const size_t limit = at_most(request.limit, limits::kRangeEntriesMax);
  // One more shows whether there are more, and is left out.
  const kv::KeyPage page{request.start, limit + 1, limits::kRangeBytesMax};
  ASPEN_TRY(info.keys, replica_.machine().lease_keys(request.id, page));
  if (info.keys.size() > limit) info.keys.pop_back();
  if (!info.keys.empty()) {
    ASPEN_TRY(
        std::vector<Bytes> next,
        replica_.machine().lease_keys(request.id, {.start = kv::key_end(info.keys.back()), .keys_max = 1}));
    info.more = !next.empty();
  }
  return encode(info);
}

Result<Bytes> LeaseService::list_now(BytesView scope, const LeaseListRequest& request) const {
  LeaseList list;
  const size_t limit = at_most(request.limit, kLeasesListedMax);
  for (kv::LeaseId after = request.after;;) {
    ASPEN_TRY(std::vector<kv::Lease> page, replica_.machine().leases(after, kListPage));
    for (const kv::Lease& lease : page) {
      after = lease.id;
      bool seen = lease.prefix.starts_with(scope) || ASPEN_MUTANT("node-lease-of-another-scope");
      if (!seen) continue;
      list.more = list.leases.size() == limit;
      if (list.more) return encode(list);
      ASPEN_TRY(list.leases.emplace_back(), state(lease));
    }
    if (page.size() < kListPage) return encode(list);
  }
}

Result<> LeaseService::check_attached(BytesView scope, const kv::Transaction& transaction) const {
  for (const std::vector<kv::Op>* ops : {&transaction.then, &transaction.otherwise}) {
    for (const kv::Op& op : *ops) {
      for (const kv::Transaction& nested : op.nested) ASPEN_CHECK(check_attached(scope, nested));
      bool puts = op.kind == kv::Op::Kind::put && op.lease != 0;
      if (puts && hidden(scope, op.lease)) return no_such(op.lease);
    }
  }
  return {};
}

Result<> LeaseService::restrict(BytesView scope, kv::Command& command) const {
  if (command.kind == kv::Command::Kind::write) return check_attached(scope, command.transaction);
  bool about_a_lease =
      command.kind == kv::Command::Kind::lease_grant || command.kind == kv::Command::Kind::lease_revoke;
  if (!about_a_lease || command.prefix.starts_with(scope)) return {};
  if (!command.prefix.empty()) {
    return fail(Code::PERMISSION_DENIED,
                "the lease's prefix does not begin with the caller's scope of {} bytes", scope.size());
  }
  command.prefix = scope;
  return {};
}

}  // namespace aspen::node
