// Puts keys all at once and gets each back when its put has completed, from one completion queue.
//
// usage: put_get TICKET RECORD COUNT
//
// RECORD gets one JSON line per acknowledged write.
#include <aspen.h>

#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Op = std::unique_ptr<aspen_op_t, Freed<aspen_op_free>>;
using Node = std::unique_ptr<aspen_node_t, Freed<aspen_node_free>>;
using Queue = std::unique_ptr<aspen_cq_t, Freed<aspen_cq_free>>;

[[noreturn]] void stop(const aspen_op_t* op) {
  std::cerr << aspen_error_name(aspen_op_status(op)) << ": " << aspen_op_message(op) << '\n';
  std::exit(1);
}

Node connect(const char* ticket) {
  aspen_node_options_t options;
  aspen_node_options_init(&options, sizeof options);
  options.mode = ASPEN_MODE_CLIENT;
  options.ticket = ticket;
  aspen_op_t* raw = nullptr;
  aspen_node_open(&options, nullptr, 0, &raw);
  Op op(raw);
  aspen_op_wait(raw, -1);
  if (aspen_op_status(raw) != ASPEN_OK) stop(raw);
  return Node(aspen_op_take_node(raw));
}

std::string key_of(uint64_t i) {
  return "cpp/" + std::to_string(i);
}
std::string value_of(uint64_t i) {
  return "value " + std::to_string(i);
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: put_get TICKET RECORD COUNT\n";
    return 2;
  }
  Node node = connect(argv[1]);
  std::ofstream record(argv[2]);
  const uint64_t count = std::stoull(argv[3]);
  aspen_cq_t* raw = nullptr;
  if (aspen_cq_new(&raw) != ASPEN_OK) return 1;
  Queue queue(raw);
  aspen_call_options_t options;
  aspen_call_options_init(&options, sizeof options);
  options.timeout_ns = 30'000'000'000;

  // Tags 0..count-1 are puts, count.. are the gets that follow them.
  const auto started = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    aspen_op_t* op = nullptr;
    aspen_kv_put(node.get(), key_of(i).data(), key_of(i).size(), value_of(i).data(), value_of(i).size(),
                 &options, queue.get(), i, &op);
  }
  for (uint64_t ended = 0; ended < 2 * count;) {
    aspen_cq_wait(queue.get(), -1);
    aspen_event_t events[64];
    const size_t taken = aspen_cq_poll(queue.get(), events, 64);
    for (size_t e = 0; e < taken; ++e, ++ended) {
      Op op(events[e].op);
      if (events[e].status != ASPEN_OK) stop(op.get());
      const uint64_t i = events[e].tag % count;
      if (events[e].tag < count) {
        const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started).count();
        record << R"({"key":")" << key_of(i) << R"(","value":")" << value_of(i) << R"(","t":)" << std::fixed
               << std::setprecision(6) << unix_seconds() << R"(,"us":)" << us << "}\n"
               << std::flush;
        aspen_op_t* get = nullptr;
        aspen_kv_get(node.get(), key_of(i).data(), key_of(i).size(), &options, queue.get(), count + i, &get);
        continue;
      }
      aspen_entry_t entry;
      if (aspen_op_entry(op.get(), 0, &entry) != ASPEN_OK ||
          std::string(reinterpret_cast<const char*>(entry.value), entry.value_size) != value_of(i)) {
        std::cerr << key_of(i) << " was put and does not read back\n";
        return 1;
      }
    }
  }
}
