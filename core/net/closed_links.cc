#include "core/net/closed_links.h"

#include <bit>

namespace aspen::net {
namespace {

constexpr DurationNs kKept = 2 * kSecond;
constexpr size_t kLinksMax = 512;

}  // namespace

void ClosedLinks::expire(TimeNs now) {
  while (!links_.empty() && (links_.front().until <= now || links_.size() > kLinksMax)) {
    for (const Bytes& cid : links_.front().cids) by_cid_.erase(cid);
    links_.pop_front();
    ++dropped_;
  }
}

void ClosedLinks::add(std::vector<Bytes> cids, Bytes packet, TimeNs now) {
  for (const Bytes& cid : cids) by_cid_[cid] = dropped_ + links_.size();
  links_.push_back({std::move(cids), std::move(packet), now + kKept});
  expire(now);
}

bool ClosedLinks::find(BytesView cid, TimeNs now, BytesView& answer) {
  expire(now);
  auto found = by_cid_.find(Bytes(cid));
  if (found == by_cid_.end()) return false;
  Closed& closed = links_[found->second - dropped_];
  // Answered ever more rarely: a peer that floods must not be flooded back.
  if (std::has_single_bit(++closed.received)) answer = closed.packet;
  return true;
}

}  // namespace aspen::net
