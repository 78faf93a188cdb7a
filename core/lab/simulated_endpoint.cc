#include "core/lab/simulated_endpoint.h"

#include <algorithm>
#include <bit>

#include "core/base/buggify.h"
#include "core/base/mutant.h"
#include "core/net/close_code.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kClosedKept = 2 * kSecond;
constexpr size_t kClosedMax = 512;
constexpr size_t kAnswerBytes = 60;

class Face final : public net::Endpoint {
 public:
  explicit Face(std::shared_ptr<SimulatedEndpoint> endpoint) : endpoint_(std::move(endpoint)) {
    endpoint_->face = this;
  }
  ~Face() override { endpoint_->stop(); }
  std::string local_address() const override { return endpoint_->local_address(); }
  Result<net::Connection*> connect(const NodeId& peer, const std::string& address) override {
    return endpoint_->connect(peer, address);
  }
  net::Connection* find(const NodeId& peer) override { return endpoint_->find(peer); }
  std::vector<net::Connection*> connections() override { return endpoint_->connections(); }
  void set_membership(crypto::GrantChain chain) override { endpoint_->set_membership(std::move(chain)); }
  void close(Code code, std::string_view reason, std::function<void()> done) override {
    endpoint_->close(code, reason, std::move(done));
  }

 private:
  std::shared_ptr<SimulatedEndpoint> endpoint_;
};

}  // namespace

SimulatedEndpoint::SimulatedEndpoint(Network& network, rt::Executor& executor, net::EndpointOptions options)
    : network_(network), executor_(executor), options_(std::move(options)) {}

SimulatedEndpoint::~SimulatedEndpoint() {
  if (bound_) network_.unbind(port_, *this);
}

std::unique_ptr<net::Endpoint> SimulatedEndpoint::start(std::shared_ptr<SimulatedEndpoint> endpoint,
                                                        uint32_t port) {
  endpoint->port_ = port;
  endpoint->bound_ = true;
  return std::make_unique<Face>(std::move(endpoint));
}

void SimulatedEndpoint::stop() {
  stopped_ = true;
  while (!links_.empty()) {
    links_.begin()->second->close(Error(Code::SHUTDOWN, "the endpoint is closed"),
                                  net::to_wire(Code::SHUTDOWN), "the node is closing");
  }
  network_.unbind(port_, *this);
}

// Packets.

void SimulatedEndpoint::send(std::unique_ptr<Packet> packet) {
  packet->from = port_;
  network_.send(*this, std::move(packet));
}

bool SimulatedEndpoint::arrive(Packet& packet) {
  if (stopped_ || packet.kind == PacketKind::raw) return false;
  if (auto found = links_.find(packet.to_key); found != links_.end()) {
    // An address may change hands; a link does not move.
    if (found->second->remote() == packet.from) found->second->receive(packet);
    return true;
  }
  if (packet.kind == PacketKind::initial && !closing_) {
    // A repeated one must not take the place of a link that is still to be told of.
    bool known = closing_links_.contains(packet.to_key) ||
                 std::ranges::find(closed_, packet.to_key, &Closed::key) != closed_.end();
    if (!known) return accept(packet);
  }
  answer_unknown(packet);
  return true;
}

// For a connection that ended a moment ago, or that this node had before it restarted.
void SimulatedEndpoint::answer_unknown(const Packet& packet) {
  if (packet.kind == PacketKind::close || packet.kind == PacketKind::reset) return;
  TimeNs now = executor_.now();
  while (!closed_.empty() && (closed_.front().until <= now || closed_.size() > kClosedMax))
    closed_.pop_front();
  auto answer = std::make_unique<Packet>();
  answer->from_key = packet.to_key;
  answer->to_key = packet.from_key;
  answer->to = packet.from;
  answer->size = kAnswerBytes;
  auto known = std::ranges::find(closed_, packet.to_key, &Closed::key);
  if (known != closed_.end()) {
    // Ever more rarely: a peer that floods must not be flooded back.
    if (!known->notice || !std::has_single_bit(++known->received)) return;
    answer->kind = PacketKind::close;
    answer->notice = known->notice;
    return send(std::move(answer));
  }
  if (packet.kind == PacketKind::initial || ASPEN_MUTANT("lab-net-restart-silent")) return;
  answer->kind = PacketKind::reset;
  answer->handshake = std::make_shared<Handshake>();
  answer->handshake->node = id();
  answer->from = port_;
  network_.count_reset(*answer);
  send(std::move(answer));
}

bool SimulatedEndpoint::accept(const Packet& initial) {
  if (half_open_ >= options_.handshakes_max) return false;
  if (links_.size() >= options_.connections_max) {
    auto answer = std::make_unique<Packet>();
    answer->kind = PacketKind::close;
    answer->from_key = initial.to_key;
    answer->to_key = initial.from_key;
    answer->to = initial.from;
    answer->size = kAnswerBytes;
    constexpr uint64_t kConnectionRefused = 2;
    answer->notice = std::make_shared<CloseNotice>(kConnectionRefused, true, "");
    send(std::move(answer));
    return true;
  }
  auto& slot = links_[initial.to_key];
  slot = std::make_unique<SimulatedLink>(*this, false, initial.to_key, initial.from, initial.handshake->node);
  slot->counted = true;
  ++half_open_;
  slot->start(&initial);
  return true;
}

void SimulatedEndpoint::break_with(uint32_t remote) {
  std::vector<SimulatedLink*> broken;
  for (auto& [key, link] : links_) {
    if (link->remote() == remote) broken.push_back(link.get());
  }
  for (SimulatedLink* link : broken) {
    link->break_off(
        Error(Code::CONNECTION_LOST, fmt::format("the connection to node {} at {} was reset",
                                                 link->peer().short_string(), link->remote_address())));
    std::erase_if(closed_, [&](const Closed& closed) { return closed.key == link->key(); });
  }
}

// Turns.

void SimulatedEndpoint::link_dirty(SimulatedLink& link) {
  rt::ListNode<LinkDirtyTag>& node = link;
  if (!node.linked()) dirty_.push_back(link);
  executor_.at_turn_end(flush_);
}

void SimulatedEndpoint::link_ready(SimulatedLink& link) {
  rt::ListNode<LinkReadyTag>& node = link;
  if (!node.linked()) ready_.push_back(link);
  if (!stopped_) executor_.schedule(deliver_);
}

void SimulatedEndpoint::flush() {
  rt::List<SimulatedLink, LinkDirtyTag> batch;
  batch.append(dirty_);
  while (SimulatedLink* link = batch.pop_front()) {
    if (ASPEN_BUGGIFY("lab-net-flush-later")) {
      link_dirty(*link);
    } else {
      link->flush();
    }
  }
}

void SimulatedEndpoint::deliver() {
  if (stopped_) return;
  rt::List<SimulatedLink, LinkReadyTag> batch;
  batch.append(ready_);
  while (SimulatedLink* link = batch.pop_front()) {
    if (ASPEN_BUGGIFY("lab-net-deliver-later")) {
      link_ready(*link);
      continue;
    }
    link->deliver();
    if (stopped_) return;
  }
  tell_ends();
  if (stopped_) return;
  for (uint64_t key : std::exchange(dead_links_, {})) closing_links_.erase(key);
  if (!closing_ || !links_.empty() || !closing_links_.empty() || !peers_.empty() || !ended_.empty()) return;
  for (auto& done : std::exchange(close_done_, {})) {
    executor_.contained(done);
    if (stopped_) return;
  }
}

void SimulatedEndpoint::no_longer_half_open(SimulatedLink& link) {
  if (!link.counted) return;
  link.counted = false;
  --half_open_;
}

void SimulatedEndpoint::link_closed(SimulatedLink& link, std::shared_ptr<CloseNotice> notice) {
  no_longer_half_open(link);
  closed_.push_back({link.key(), executor_.now() + kClosedKept, std::move(notice)});
  closing_links_.insert(links_.extract(link.key()));
  SimulatedConnection* connection = link.connection;
  if (connection == nullptr || connection->link != &link) return;
  if (link.gave_way() && connection->current_phase == net::ConnectionPhase::connecting && !stopped_) {
    // The peer prefers its own dial, which is about to arrive.
    link.connection = nullptr;
    connection->link = nullptr;
    connection->wait.arm(link.created_at() + options_.handshake_timeout);
    return;
  }
  end_connection(*connection, link.why());
}

void SimulatedEndpoint::link_ended(SimulatedLink& link) {
  dead_links_.push_back(link.key());
  SimulatedConnection* connection = std::exchange(link.connection, nullptr);
  if (connection != nullptr) connection->link = nullptr;
  bool told = link.dialed() || link.gave_way() || (connection != nullptr && connection->announced);
  if (told || !options_.on_refused) return;
  executor_.contained([&] { options_.on_refused(link.remote_address(), link.why()); });
}

}  // namespace aspen::lab
