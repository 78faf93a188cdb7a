#include "core/lab/quota_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace aspen::lab {
namespace {

using Quotas = std::map<Bytes, kv::Quota>;
using Sizes = std::map<Bytes, uint64_t>;  // of keys with their values

bool sets_quota(const CommittedModel::Done& done) {
  return done.reply && done.command.kind == kv::Command::Kind::quota_set;
}

void carry_out(const kv::Command& command, Quotas& quotas) {
  if (command.bytes_max == 0 && command.keys_max == 0) {
    quotas.erase(command.prefix);
  } else {
    quotas[command.prefix] = {command.prefix, command.bytes_max, command.keys_max};
  }
}

void carry_out(const kv::ChangeSet& set, Sizes& sizes) {
  for (const kv::Event& event : set.events) {
    if (event.record) {
      sizes[event.key] = event.key.size() + event.record->value.size();
    } else {
      sizes.erase(event.key);
    }
  }
}

void count(const Sizes& sizes, kv::Quota& quota) {
  quota.bytes = quota.keys = 0;
  for (auto item = sizes.lower_bound(quota.prefix);
       item != sizes.end() && item->first.starts_with(quota.prefix); ++item) {
    quota.bytes += item->second;
    ++quota.keys;
  }
}

std::string describe(const kv::Quota& quota) {
  return fmt::format("\"{}\": {} of {} keys, {} of {} bytes", quota.prefix, quota.keys, quota.keys_max,
                     quota.bytes, quota.bytes_max);
}

}  // namespace

std::vector<kv::Quota> quotas_at(const CommittedModel& committed, uint64_t revision) {
  Quotas quotas;
  for (const CommittedModel::Done& done : committed.done()) {
    if (done.index <= revision && sets_quota(done)) carry_out(done.command, quotas);
  }
  Sizes sizes;
  for (const auto& [key, record] : committed.model().at(revision)) {
    sizes[key] = key.size() + record.value.size();
  }
  std::vector<kv::Quota> all;
  for (auto& [prefix, quota] : quotas) {
    count(sizes, quota);
    all.push_back(quota);
  }
  return all;
}

std::string compare_quotas(const std::vector<kv::Quota>& told, const std::vector<kv::Quota>& expected) {
  auto [is, must] = std::ranges::mismatch(told, expected);
  if (is == told.end() && must == expected.end()) return {};
  return fmt::format("{} where there is {}", is == told.end() ? "no more" : describe(*is),
                     must == expected.end() ? "no more" : describe(*must));
}

std::string check_growth(const std::map<uint64_t, kv::ChangeSet>& changes,
                         const std::vector<CommittedModel::Done>& done) {
  Quotas quotas;
  Sizes sizes;
  auto set = changes.begin();
  // Up to an index that is not in.
  auto go_on = [&](uint64_t index) -> std::string {
    for (; set != changes.end() && set->first < index; ++set) {
      carry_out(set->second, sizes);
      for (auto& [prefix, quota] : quotas) {
        const kv::Quota before = quota;
        count(sizes, quota);
        const bool bytes =
            quota.bytes > before.bytes && quota.bytes_max != 0 && quota.bytes > quota.bytes_max;
        const bool keys = quota.keys > before.keys && quota.keys_max != 0 && quota.keys > quota.keys_max;
        if (bytes || keys) return fmt::format("revision {} grew {}", set->first, describe(quota));
      }
    }
    return {};
  };
  for (const CommittedModel::Done& one : done) {
    if (!sets_quota(one)) continue;
    if (std::string wrong = go_on(one.index); !wrong.empty()) return wrong;
    carry_out(one.command, quotas);
    for (auto& [prefix, quota] : quotas) count(sizes, quota);
  }
  return go_on(UINT64_MAX);
}

}  // namespace aspen::lab
