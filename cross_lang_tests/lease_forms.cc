#include "cross_lang_tests/lease_forms.h"

#include "core/node/lease_protocol.h"

namespace aspen {
namespace {

Json time_of(DurationNs value) {
  return std::to_string(value);
}

template <typename Range, typename Spell>
Json each(const Range& range, Spell spell) {
  Json out = Json::array();
  for (const auto& item : range) out.push_back(spell(item));
  return out;
}

Json spell(const node::LeaseKeepAlive& request) {
  return {{"leases", each(request.ids, number)}};
}

Json spell(const node::LeasesKept& kept) {
  return {{"ttls", each(kept.ttls, time_of)}};
}

Json spell(const node::LeaseRequest& request) {
  return {{"lease", number(request.id)}, {"start", hex(request.start)}, {"limit", number(request.limit)}};
}

Json spell(const node::LeaseState& lease) {
  return {{"lease", number(lease.id)},
          {"ttl", time_of(lease.ttl)},
          {"remaining", time_of(lease.remaining)},
          {"keys", number(lease.keys)}};
}

Json spell(const node::LeaseInfo& info) {
  Json value = spell(info.lease);
  value.update(
      {{"attached", each(info.keys, [](const Bytes& key) { return hex(key); })}, {"more", info.more}});
  return value;
}

Json spell(const node::LeaseListRequest& request) {
  return {{"after", number(request.after)}, {"limit", number(request.limit)}};
}

Json spell(const node::LeaseList& list) {
  Json leases = each(list.leases, [](const node::LeaseState& lease) { return spell(lease); });
  return {{"leases", leases}, {"more", list.more}};
}

template <typename T>
Form form_of(Result<T> (*decode)(BytesView)) {
  return [decode](BytesView bytes) -> Result<Read> {
    ASPEN_TRY(T value, decode(bytes));
    return Read{spell(value), encode(value)};
  };
}

}  // namespace

const std::map<std::string, Form>& lease_forms() {
  static const std::map<std::string, Form> forms{
      {"lease_keep_alive", form_of(node::decode_lease_keep_alive)},
      {"leases_kept", form_of(node::decode_leases_kept)},
      {"lease_request", form_of(node::decode_lease_request)},
      {"lease_info", form_of(node::decode_lease_info)},
      {"lease_list_request", form_of(node::decode_lease_list_request)},
      {"lease_list", form_of(node::decode_lease_list)},
  };
  return forms;
}

}  // namespace aspen
