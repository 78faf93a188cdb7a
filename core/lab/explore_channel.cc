#include "core/lab/explore_channel.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <vector>

#include "core/lab/explore_world.h"
#include "core/rt/channel.h"

namespace aspen::lab {
namespace {

using rt::Channel;
using rt::Cx;
using rt::Outcome;
using rt::Region;
using rt::Task;

constexpr int kSenders = 2;
constexpr int kReceiver = kSenders;  // as a part; the senders are 0 and 1
constexpr int kItems = 2;            // of each sender

struct Scene {
  Scene(Choices& choices, size_t capacity)
      : world(choices), region(world.executor()), channel(region, capacity) {}

  Task<Result<>> send_all(Cx& cx, int sender) {
    for (int i = 0; i < kItems; ++i) {
      ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
      // Between the phases a cancel gives the place back.
      if (i == 0) ASPEN_CO_CHECK(co_await cx.sleep(1));
      sent.push_back(sender * kItems + i);
      std::move(permit).send(sender * kItems + i);
      check_capacity();
    }
    co_return Result<>();
  }

  Task<Result<>> receive_all(Cx& cx) {
    for (;;) {
      ASPEN_CO_TRY(auto item, co_await channel.recv(cx));
      if (!item) co_return Result<>();
      received.push_back(*item);
      check_capacity();
    }
  }

  void check_capacity() {
    if (channel.size() > channel.capacity()) world.fault("the channel holds more than its capacity");
  }

  template <typename F>
  void part(int number, F body) {
    parts[number] = region.spawn("part", std::move(body));
    parts[number].then([this, number](Outcome<> outcome) {
      ended[number] = true;
      bool well = outcome.ok() || (number == target && outcome.severity() == rt::Severity::cancelled);
      if (!well && !giving_up) world.fault(fmt::format("part {} fails: {}", number, outcome.error().message));
      if (ended[0] && ended[1]) channel.close();
    });
  }

  void start() {
    for (int sender = 0; sender < kSenders; ++sender) {
      part(sender, [this, sender](Cx& cx) { return send_all(cx, sender); });
    }
    part(kReceiver, [this](Cx& cx) { return receive_all(cx); });
  }

  // Nothing is left to happen: whoever has not ended must have nothing to go on with.
  void check_stopped() {
    bool all = ended[0] && ended[1] && ended[kReceiver];
    if (all) return;
    if (!ended[kReceiver])
      return world.fault("a wake-up is lost: the receiver is there and not all has ended");
    if (channel.size() != channel.capacity())
      world.fault("a wake-up is lost: a sender waits and there is a place");
  }

  void check_items() {
    std::vector<int> rest;
    while (std::optional<int> item = channel.try_recv()) rest.push_back(*item);
    std::array<int, kSenders> next{};
    std::vector<int> arrived = received;
    arrived.insert(arrived.end(), rest.begin(), rest.end());
    if (arrived.size() != sent.size())
      world.fault(fmt::format("{} sent, {} arrived", sent.size(), arrived.size()));
    for (int item : arrived) {
      if (item % kItems != next[item / kItems]++) world.fault("an item is lost, comes twice or out of order");
    }
    bool complete = target < 0 && (arrived.size() != kSenders * kItems || !rest.empty());
    if (complete) world.fault("nobody was cancelled and not all was received");
  }

  ExploreWorld world;
  Region region;
  Channel<int> channel;
  std::array<rt::Join<>, kSenders + 1> parts;
  std::array<bool, kSenders + 1> ended{};
  int target = -1;  // who is cancelled
  bool giving_up = false;
  std::vector<int> sent;
  std::vector<int> received;
};

}  // namespace

std::string explore_channel(Choices& choices) {
  Scene scene(choices, 1 + choices.choose(2, "capacity"));
  scene.target = static_cast<int>(choices.choose(kSenders + 2, "who is cancelled")) - 1;
  scene.start();
  if (scene.target >= 0) {
    scene.world.may_happen(
        "cancel", [&scene] { scene.parts[scene.target].cancel({rt::CancelKind::user, "explored"}); });
  }
  scene.world.run();
  scene.check_stopped();
  scene.giving_up = true;
  bool closed = false;
  scene.region.cancel({rt::CancelKind::user, "the end"});
  scene.region.close([&closed] { closed = true; });
  scene.world.run();
  if (!closed) {
    scene.world.fault("the region does not close: " + scene.region.pending());
  } else {
    scene.check_items();
  }
  return scene.world.found();
}

}  // namespace aspen::lab
