// What stands behind a Connection: one peer, and the link that carries it or will.
//
// While connecting, the link may change: two nodes that dial each other at once settle on one of the two
// links (see EndpointImpl::claim), and for a moment there may be none.
#pragma once

#include <optional>
#include <string>

#include "core/net/connection.h"
#include "core/net/hello.h"
#include "core/net/link.h"

namespace aspen::net {

class EndpointImpl;

struct ConnectionState {
  ConnectionState(EndpointImpl& endpoint, const NodeId& peer, rt::Executor& executor);

  EndpointImpl& endpoint;
  const NodeId peer;
  std::string address;  // asked for
  ConnectionPhase phase = ConnectionPhase::connecting;
  // The user knows of it: its end must be told.
  bool announced = false;
  Link* link = nullptr;
  bool dialed = false;  // the link it was connected by
  TimeNs connected_at = 0;
  Acceptance acceptance;
  std::optional<Error> why;
  // Gives up a dial that has no link: the name did not resolve, or the other side's dial never came.
  rt::Timer wait;
  Connection face;
};

}  // namespace aspen::net
