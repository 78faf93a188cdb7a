// How fast it is here, beside a raw UDP socket on the same loop. Not run by default:
//
//   net_test --gtest_also_run_disabled_tests --gtest_filter='*Speed*'
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <latch>
#include <thread>

#include "core/net/test_node.h"
#include "core/net/udp_socket.h"

namespace aspen::net {
namespace {

// The answering side, on a thread and a loop of its own.
struct Server {
  Server() : thread([this] { main(); }) { ready.wait(); }
  ~Server() {
    loop.stop();
    thread.join();
  }
  void main() {
    // Keeping gigabytes of frames would measure the page allocator.
    node.options.subprotocols[1].on_stream = [](Stream& stream) { stream.on_frame([](Bytes) {}); };
    node.open(loop);
    raw = *UdpSocket::open(loop, "127.0.0.1:0");
    raw->set_callbacks(
        [this] {
          raw->receive([this](const Address& from, BytesView packet) {
            std::memcpy(raw->reserve(), packet.data(), packet.size());
            raw->commit(packet.size(), from);
          });
          raw->flush();
        },
        [] {});
    ready.count_down();
    loop.run();
    raw.reset();
    node.endpoint.reset();
  }
  std::latch ready{1};
  rt::Loop loop;
  TestNode node{2};
  std::unique_ptr<UdpSocket> raw;
  std::thread thread;
};

// CPU time of this process, both ends together.
DurationNs cpu_time() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kSecond +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * kMicrosecond;
}

class Speed : public testing::Test {
 protected:
  TimeNs now() { return rt::system_env().now(); }
  void report(const char* what, std::vector<DurationNs>& times) {
    std::ranges::sort(times);
    std::printf("  %-28s p50 %5.1f us  p99 %6.1f us\n", what,
                static_cast<double>(times[times.size() / 2]) / kMicrosecond,
                static_cast<double>(times[times.size() * 99 / 100]) / kMicrosecond);
  }
  Connection& connect() {
    a.open(loop);
    a.connect(server.node);
    EXPECT_TRUE(run_until(loop, [&] { return a.sees(server.node); }));
    return *a.endpoint->find(server.node.id());
  }
  static constexpr size_t kRounds = 50'000;
  Server server;
  rt::Loop loop;
  TestNode a{1};
};

TEST_F(Speed, DISABLED_Echo64Bytes) {
  for (int repeat = 0; repeat < 3; ++repeat) {
    auto raw = *UdpSocket::open(loop, "127.0.0.1:0");
    std::vector<DurationNs> times;
    TimeNs begin = 0;
    auto ask = [&] {
      begin = now();
      std::memset(raw->reserve(), 'x', 64);
      raw->commit(64, server.raw->local_address());
      raw->flush();
    };
    raw->set_callbacks(
        [&] {
          raw->receive([&](const Address&, BytesView) {
            times.push_back(now() - begin);
            times.size() < kRounds ? ask() : loop.stop();
          });
        },
        [] {});
    ask();
    loop.run();
    report("raw UDP", times);
  }
  Connection& connection = connect();
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<DurationNs> times;
    TimeNs begin = 0;
    EchoClient echo(connection);
    auto ask = [&] {
      begin = now();
      ASSERT_TRUE(echo.stream->send(Bytes(64, 'x')));
    };
    echo.stream->on_frame([&](Bytes) {
      times.push_back(now() - begin);
      times.size() < kRounds ? ask() : loop.stop();
    });
    ask();
    loop.run();
    report("frame on a stream", times);
    echo.stream->reset(Code::CANCELLED);
    run_until(loop, [&] { return echo.end.has_value(); });
  }
}

TEST_F(Speed, DISABLED_ManyEchoesInFlight) {
  Connection& connection = connect();
  for (size_t depth : {8, 64, 512}) {
    EchoClient echo(connection);
    size_t answered = 0;
    constexpr size_t kAll = 400'000;
    echo.stream->on_frame([&](Bytes frame) {
      if (++answered + depth <= kAll) (void)echo.stream->send(std::move(frame));
      if (answered == kAll) loop.stop();
    });
    TimeNs begin = now();
    for (size_t i = 0; i < depth; ++i) ASSERT_TRUE(echo.stream->send(Bytes(64, 'x')));
    loop.run();
    double seconds = static_cast<double>(now() - begin) / kSecond;
    std::printf("  64 B echo, %3zu in flight       %8.0f round trips/s\n", depth, kAll / seconds);
    echo.stream->reset(Code::CANCELLED);
    run_until(loop, [&] { return echo.end.has_value(); });
  }
}

TEST_F(Speed, DISABLED_Bulk) {
  Connection& connection = connect();
  for (size_t frame_bytes : {size_t{4} << 10, size_t{64} << 10, size_t{1} << 20}) {
    EchoClient client(connection);  // measured one way and back: the echo is as large
    constexpr size_t kTotal = size_t{512} << 20;
    size_t sent = 0;
    size_t received = 0;
    auto fill = [&] {
      while (sent < kTotal && sent - received < (8u << 20)) {
        ASSERT_TRUE(client.stream->send(Bytes(frame_bytes, 'b')));
        sent += frame_bytes;
      }
    };
    client.stream->on_frame([&](Bytes frame) {
      received += frame.size();
      fill();
      if (received >= kTotal) loop.stop();
    });
    TimeNs begin = now();
    fill();
    loop.run();
    double seconds = static_cast<double>(now() - begin) / kSecond;
    std::printf("  %4zu KiB frames, both ways     %6.0f MB/s each way\n", frame_bytes >> 10,
                static_cast<double>(kTotal) / seconds / 1e6);
    client.stream->reset(Code::CANCELLED);
    run_until(loop, [&] { return client.end.has_value(); });
  }
  // One way: the server only takes.
  EchoClient client(connection, kSink);
  constexpr size_t kTotal = size_t{1} << 30;
  size_t sent = 0;
  std::unique_ptr<rt::Timer> pump;
  TimeNs begin = now();
  DurationNs cpu = cpu_time();
  pump = std::make_unique<rt::Timer>(loop.executor(), [&] {
    while (sent < kTotal && client.stream->buffered() < (16u << 20)) {
      (void)client.stream->send(Bytes(256 << 10, 'b'));
      sent += 256 << 10;
    }
    if (sent >= kTotal && client.stream->buffered() == 0) return loop.stop();
    pump->arm(now() + 100 * kMicrosecond);
  });
  pump->arm(begin);
  loop.run();
  double seconds = static_cast<double>(now() - begin) / kSecond;
  std::printf("  256 KiB frames, one way        %6.0f MB/s, %4.0f MB per second of CPU\n",
              static_cast<double>(kTotal) / seconds / 1e6,
              static_cast<double>(kTotal) * 1e3 / static_cast<double>(cpu_time() - cpu));
}

TEST_F(Speed, DISABLED_Handshakes) {
  a.open(loop);
  constexpr int kAll = 500;
  DurationNs cpu = cpu_time();
  TimeNs begin = now();
  for (int i = 0; i < kAll; ++i) {
    a.connect(server.node);
    a.then_connected = [&](Connection& connection) {
      connection.close(Code::SHUTDOWN, "");
      loop.stop();
    };
    loop.run();
    run_until(loop, [&] { return a.disconnected.size() == static_cast<size_t>(i) + 1; });
  }
  std::printf("  handshake                    %5.0f us, %5.0f us of CPU both ends together\n",
              static_cast<double>(now() - begin) / kAll / kMicrosecond,
              static_cast<double>(cpu_time() - cpu) / kAll / kMicrosecond);
}

}  // namespace
}  // namespace aspen::net
