#include "core/kv/leases.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

Result<uint64_t> end_lease(Revision& revision, LeaseId id) {
  ASPEN_TRY(std::vector<Bytes> keys, keys_of_lease(revision.rows(), revision.generation(), id, {}));
  if (ASPEN_MUTANT("kv-expired-lease-keeps-a-key") && !keys.empty()) keys.pop_back();
  for (const Bytes& key : keys) {
    ASPEN_TRY(Found found, revision.find(key));
    if (found.lease != id) return fail(Code::CORRUPT, "lease {} has a key that is not its own", id);
    ASPEN_CHECK(revision.erase(key, std::move(found)));
  }
  revision.end_lease(id);
  return keys.size();
}

}  // namespace

Result<Lease> find_lease(const store::Reader& rows, uint32_t generation, LeaseId id) {
  ASPEN_TRY(std::optional<Bytes> row, rows.get(layout::lease_key(generation, id)));
  if (!row) return fail(Code::NOT_FOUND, "lease {} does not exist", id);
  ASPEN_TRY(layout::LeaseRow lease, layout::decode_lease(*row));
  return Lease{id, lease.ttl, lease.granted, lease.keys, std::move(lease.prefix)};
}

Result<std::vector<Lease>> list_leases(const store::Reader& rows, uint32_t generation, LeaseId after,
                                       size_t limit) {
  std::vector<Lease> leases;
  const Bytes prefix = layout::rows_prefix(generation, layout::RowKind::lease);
  std::unique_ptr<store::Iterator> it = rows.iterate();
  it->seek(layout::lease_key(generation, after) + '\0');
  for (; it->valid() && it->key().starts_with(prefix) && leases.size() < limit; it->next()) {
    ASPEN_TRY(layout::RowName name, layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    ASPEN_TRY(layout::LeaseRow lease, layout::decode_lease(it->value()));
    leases.push_back({name.number, lease.ttl, lease.granted, lease.keys, std::move(lease.prefix)});
  }
  ASPEN_CHECK(it->status());
  return leases;
}

Result<std::vector<Bytes>> keys_of_lease(const store::Reader& rows, uint32_t generation, LeaseId id,
                                         const KeyPage& page) {
  std::vector<Bytes> keys;
  size_t bytes = 0;
  const Bytes prefix = layout::attachment_key(generation, id, {});
  std::unique_ptr<store::Iterator> it = rows.iterate();
  for (it->seek(prefix + page.start); it->valid() && it->key().starts_with(prefix); it->next()) {
    BytesView key = it->key().substr(prefix.size());
    bytes += key.size();
    if (keys.size() == page.keys_max || (bytes > page.bytes_max && !keys.empty())) break;
    keys.emplace_back(key);
  }
  ASPEN_CHECK(it->status());
  return keys;
}

Result<size_t> count_leases(const store::Reader& rows, uint32_t generation) {
  size_t count = 0;
  const Bytes prefix = layout::rows_prefix(generation, layout::RowKind::lease);
  std::unique_ptr<store::Iterator> it = rows.iterate();
  for (it->seek(prefix); it->valid() && it->key().starts_with(prefix); it->next()) ++count;
  ASPEN_CHECK(it->status());
  return count;
}

Result<uint64_t> revoke_lease(Revision& revision, LeaseId id, BytesView prefix) {
  auto lease = find_lease(revision.rows(), revision.generation(), id);
  if (!lease && lease.error().code != Code::NOT_FOUND) return forward_error(std::move(lease));
  bool in_reach = lease && (lease->prefix.starts_with(prefix) || ASPEN_MUTANT("kv-lease-revoked-by-anybody"));
  if (!in_reach) return revision.refuse(Code::NOT_FOUND, "lease {} does not exist", id);
  return end_lease(revision, id);
}

Result<uint64_t> expire_leases(Revision& revision, const std::vector<LeaseId>& ids) {
  uint64_t keys = 0, key_bytes = 0, gone = 0;
  for (LeaseId id : ids) {
    ASPEN_TRY(std::optional<Bytes> row, revision.rows().get(layout::lease_key(revision.generation(), id)));
    if (row) {
      ASPEN_TRY(layout::LeaseRow lease, layout::decode_lease(*row));
      keys += lease.keys;
      key_bytes += lease.key_bytes;
      if (keys > limits::kRevisionKeysMax || key_bytes > limits::kRevisionKeyBytesMax) break;
      ASPEN_CHECK(end_lease(revision, id));
    }
    ++gone;
  }
  return gone;
}

}  // namespace aspen::kv
