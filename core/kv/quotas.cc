#include "core/kv/quotas.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::kv {

Result<Quotas> Quotas::load(const store::Reader& reader, uint32_t generation) {
  Quotas quotas;
  const Bytes prefix = layout::rows_prefix(generation, layout::RowKind::quota);
  std::unique_ptr<store::Iterator> it = reader.iterate();
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) {
    ASPEN_TRY(layout::QuotaRow row, layout::decode_quota(it->value()));
    Bytes name(it->key().substr(prefix.size()));
    ++quotas.lengths_[name.size()];
    quotas.rows_.emplace(std::move(name), row);
  }
  ASPEN_CHECK(it->status());
  if (quotas.size() <= limits::kQuotasMax) return quotas;
  return fail(Code::CORRUPT, "{} stored quotas; at most {}", quotas.size(), limits::kQuotasMax);
}

std::vector<Quota> Quotas::all() const {
  std::vector<Quota> quotas;
  for (const auto& [prefix, row] : rows_) {
    quotas.push_back({prefix, row.bytes_max, row.keys_max, row.bytes, row.keys});
  }
  return quotas;
}

Quota Quotas::find(BytesView prefix) const {
  const auto& [name, row] = *rows_.find(prefix);
  return {name, row.bytes_max, row.keys_max, row.bytes, row.keys};
}

void Quotas::set(const Quota& quota) {
  changed_.insert(quota.prefix);
  if (quota.bytes_max == 0 && quota.keys_max == 0) {
    if (rows_.erase(quota.prefix) == 0) return;
    auto length = lengths_.find(quota.prefix.size());
    if (--length->second == 0) lengths_.erase(length);
    return;
  }
  auto [row, added] = rows_.try_emplace(quota.prefix);
  if (added) ++lengths_[quota.prefix.size()];
  row->second = {quota.bytes_max, quota.keys_max, quota.bytes, quota.keys};
}

void Quotas::count(BytesView key, Growth growth, Growths& growths) const {
  for (const auto& [length, prefixes] : lengths_) {
    if (length > key.size()) return;
    auto row = rows_.find(key.substr(0, length));
    if (row == rows_.end()) continue;
    Growth& sum = growths[row->first];
    sum.bytes += growth.bytes;
    sum.keys += growth.keys;
    if (ASPEN_MUTANT("kv-quota-outermost-only")) return;
  }
}

const Bytes* Quotas::refusing(const Growths& growths) const {
  for (const auto& [prefix, growth] : growths) {
    const layout::QuotaRow& row = rows_.find(prefix)->second;
    auto over = [](uint64_t used, int64_t more, uint64_t max) {
      return (more > 0 || ASPEN_MUTANT("kv-quota-keeps-what-is-over")) && max != 0 &&
             used + static_cast<uint64_t>(more) > max;
    };
    if (over(row.bytes, growth.bytes, row.bytes_max) || over(row.keys, growth.keys, row.keys_max)) {
      return &prefix;
    }
  }
  return nullptr;
}

void Quotas::grow(const Growths& growths) {
  for (const auto& [prefix, growth] : growths) {
    layout::QuotaRow& row = rows_.find(prefix)->second;
    row.bytes += static_cast<uint64_t>(growth.bytes);
    row.keys += static_cast<uint64_t>(growth.keys);
    if (!ASPEN_MUTANT("kv-quota-usage-not-stored")) changed_.insert(prefix);
  }
}

void Quotas::write_changed(uint32_t generation, store::Batch& batch) {
  for (const Bytes& prefix : changed_) {
    auto row = rows_.find(prefix);
    if (row == rows_.end()) {
      batch.erase(layout::quota_key(generation, prefix));
    } else {
      batch.put(layout::quota_key(generation, prefix), encode(row->second));
    }
  }
  changed_.clear();
}

}  // namespace aspen::kv
