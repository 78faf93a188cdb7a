// Connections that have ended and whose peer may not know it yet. A packet to one of them is answered with
// the CONNECTION_CLOSE again, so that the peer learns the reason even when the first one was lost (RFC 9000,
// section 10.2.1). A few seconds later a stateless reset has to do.
//
// Thread safety: none.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace aspen::net {

class ClosedLinks {
 public:
  // `packet` may be empty: the peer closed it, and its late packets deserve no answer.
  void add(std::vector<Bytes> cids, Bytes packet, TimeNs now);
  // Whether a connection with this id ended lately. The packet to answer with goes to `answer`; it stays
  // empty when this one is not to be answered.
  bool find(BytesView cid, TimeNs now, BytesView& answer);
  size_t size() const { return links_.size(); }

 private:
  struct Closed {
    std::vector<Bytes> cids;
    Bytes packet;
    TimeNs until;
    uint64_t received = 0;
  };
  void expire(TimeNs now);

  std::deque<Closed> links_;  // oldest first
  uint64_t dropped_ = 0;      // so that an index in the map outlives pops
  std::unordered_map<Bytes, uint64_t> by_cid_;
};

}  // namespace aspen::net
