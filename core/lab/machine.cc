#include "core/lab/machine.h"

#include "core/base/assert.h"
#include "core/lab/disk_lane.h"
#include "core/lab/kernel_oracles.h"
#include "core/net/datagram_socket.h"

namespace aspen::lab {
namespace {

constexpr const char* kDir = "node";
constexpr const char* kJournal = "/journal";
constexpr const char* kState = "/state";

class DiskHome final : public node::Home {
 public:
  static Result<std::unique_ptr<node::Home>> open(std::shared_ptr<Mount> mount, const std::string& path) {
    std::unique_ptr<DiskHome> home(new DiskHome(std::move(mount), path));
    ASPEN_TRY(std::optional<Bytes> bytes, home->mount_->read_file(home->file_));
    if (bytes) {
      ASPEN_TRY(home->node_, node::decode_node_file(*bytes, home->file_));
    }
    return home;
  }

  const std::optional<node::NodeFile>& node() const override { return node_; }
  Result<> save(node::NodeFile node) override {
    ASPEN_CHECK(mount_->write_file(file_, node::encode_node_file(node)));
    node_ = std::move(node);
    return {};
  }
  Result<std::unique_ptr<journal::Directory>> open_journal() override {
    return mount_->open_directory(path_ + kJournal);
  }
  Result<std::unique_ptr<store::Store>> open_state() override {
    return mount_->open_store(path_ + kState, false);
  }

 private:
  DiskHome(std::shared_ptr<Mount> mount, const std::string& path)
      : mount_(std::move(mount)), path_(path), file_(path + "/node") {}

  std::shared_ptr<Mount> mount_;
  std::string path_;
  std::string file_;
  std::optional<node::NodeFile> node_;
};

}  // namespace

// One start: the host, what the engine stands on, the engine.
class Machine::Incarnation final : public node::Platform {
 public:
  Incarnation(Machine& machine, node::NodeOptions options)
      : machine_(machine),
        options_(std::move(options)),
        mount_(machine.disk_.mount()),
        host_(machine.world_.events(),
              machine.world_.random("host", machine.index_ << 32 | machine.incarnations_),
              fmt::format("{}.{}", machine.index_, machine.incarnations_)),
        oracles_(host_.executor(),
                 [this](std::string_view oracle, const std::string& text) {
                   machine_.world_.violate(oracle, fmt::format("node {}: {}", host_.name(), text));
                 }),
        engine_(*this, options_),
        opening_(host_.executor()) {
    oracles_.on_suspended = [this](const rt::TaskBase& task) {
      if (machine_.task_suspended) machine_.task_suspended(task);
    };
    host_.after_turn = [this] {
      oracles_.after_turn();
      if (closed_) oracles_.ended();
      if (machine_.after_turn) machine_.after_turn();
    };
    host_.deliver([this] { open(); });
  }

  rt::Executor& executor() override { return host_.executor(); }
  Result<std::unique_ptr<node::Home>> open_home(const std::string& dir) override {
    return DiskHome::open(mount_, dir);
  }
  Result<std::unique_ptr<journal::Directory>> open_folder(const std::string& path, bool) override {
    return mount_->open_directory(path);
  }
  Result<std::unique_ptr<net::Endpoint>> open_endpoint(net::EndpointOptions options) override {
    Network& network = machine_.world_.network();
    std::string address = options.listen.empty() ? machine_.address_ : options.listen;
    if (machine_.transport_ == Transport::simulated) return network.open(host_, address, std::move(options));
    ASPEN_TRY(auto socket, network.open_socket(host_, address));
    return net::Endpoint::open(host_.executor(), std::move(options), std::move(socket));
  }
  std::unique_ptr<rt::Lane> open_lane(node::LaneUse use) override {
    DiskWork work = use == node::LaneUse::log ? DiskWork::sync : DiskWork::flush;
    auto lane = std::make_unique<DiskLane>(host_.executor(), machine_.disk_, work);
    lanes_.push_back(lane.get());
    return lane;
  }

  void close() {
    if (state_ == State::closing) return;
    state_ = State::closing;
    opening_.cancel({rt::CancelKind::shutdown, "the machine stops"});
    opening_.close([this] {
      closing_.emplace(host_.executor());
      closing_->spawn("close", [this](rt::Cx& cx) { return engine_.close(cx); }).then([this](rt::Outcome<>) {
        closing_->close([this] { closed_ = true; });
      });
    });
  }

  // The world has no more of it; its engine ends by itself.
  void crash(DiskCrash kind) {
    oracles_.stop();
    for (DiskLane* lane : lanes_) lane->crash();
    machine_.disk_.crash(kind);
    host_.kill();
    lanes_.clear();
    close();
    if (!host_.finish([this] { return closed_; })) {
      machine_.world_.violate(
          "quiescence", fmt::format("node {} does not close after a crash: {}", host_.name(), pending()));
      // Its frames cannot be destroyed: they are left to the end of the process.
      stuck_ = true;
    }
  }

  std::string pending() { return (closing_ ? *closing_ : opening_).pending(); }
  Host& host() { return host_; }
  node::Engine& engine() { return engine_; }
  State state() const { return state_; }
  bool closed() const { return closed_; }
  bool stuck() const { return stuck_; }

 private:
  void open() {
    auto open = [this](rt::Cx& cx) -> rt::Task<Result<node::NodeFacts>> {
      Result<node::NodeFacts> facts = co_await engine_.open(cx);
      if (!facts) {
        rt::Cx::Mask mask(cx);
        (void)co_await engine_.close(cx);
      }
      co_return facts;
    };
    opening_.spawn("open", open, host_.executor().now() + options_.open_timeout)
        .then([this](rt::Outcome<node::NodeFacts> outcome) { opened(std::move(outcome).result()); });
  }

  void opened(Result<node::NodeFacts> facts) {
    if (state_ != State::opening) return;
    if (facts) {
      state_ = State::serving;
      return machine_.world_.note(machine_.index_, "open", "{}", host_.name());
    }
    machine_.failure_ = facts.error();
    machine_.world_.note(machine_.index_, "open", "{}: {}", host_.name(), facts.error().to_string());
    state_ = State::closing;
    opening_.close([this] { closed_ = true; });
  }

  Machine& machine_;
  node::NodeOptions options_;
  std::shared_ptr<Mount> mount_;
  Host host_;
  KernelOracles oracles_;
  std::vector<DiskLane*> lanes_;  // destroyed with the engine, at its close
  node::Engine engine_;
  rt::Region opening_;
  std::optional<rt::Region> closing_;
  State state_ = State::opening;
  bool closed_ = false;
  bool stuck_ = false;
};

Machine::Machine(World& world, uint64_t index, std::string address, Transport transport)
    : world_(world),
      index_(index),
      address_(std::move(address)),
      transport_(transport),
      disk_(world.random("disk", index)) {
  disk_.trace = [this](std::string_view what, std::string_view path, std::string_view outcome) {
    world_.note(index_, "disk", "{} {} {}", what, path, outcome);
  };
}

Machine::~Machine() {
  if (state() != State::off) crash(DiskCrash::process_kill);
}

void Machine::start(node::NodeOptions options) {
  ASPEN_ASSERT(state() == State::off);
  ++incarnations_;
  failure_.reset();
  options.dir = options.mode == node::Mode::client ? "" : kDir;
  incarnation_.reset();
  if (disk_.mounted()) disk_.crash(DiskCrash::process_kill);  // what an ended process leaves
  world_.note(index_, "start", "incarnation {}", incarnations_);
  incarnation_ = std::make_unique<Incarnation>(*this, std::move(options));
}

void Machine::stop() {
  world_.note(index_, "stop", "");
  incarnation_->host().deliver([this] { incarnation_->close(); });
}

void Machine::crash(DiskCrash kind) {
  world_.note(index_, "crash", "{}", kind == DiskCrash::process_kill ? "process" : "power");
  incarnation_->crash(kind);
  if (incarnation_->stuck()) {
    (void)incarnation_.release();
  } else {
    incarnation_.reset();
  }
}

void Machine::wipe() {
  ASPEN_ASSERT(state() == State::off);
  world_.note(index_, "wipe", "");
  incarnation_.reset();
  if (disk_.mounted()) disk_.crash(DiskCrash::process_kill);
  std::shared_ptr<Mount> mount = disk_.mount();
  for (const char* path : {kJournal, kState}) {
    ASPEN_ASSERT(mount->remove(kDir + std::string(path)));
  }
  disk_.crash(DiskCrash::process_kill);
}

Machine::State Machine::state() const {
  return incarnation_ && !incarnation_->closed() ? incarnation_->state() : State::off;
}

bool Machine::paused() const {
  return state() != State::off && incarnation_->host().paused();
}

node::Engine* Machine::engine() {
  return state() == State::serving && incarnation_->engine().serving() ? &incarnation_->engine() : nullptr;
}

node::Replica* Machine::replica() {
  return state() == State::off ? nullptr : incarnation_->engine().replica();
}

std::string Machine::pending() const {
  return incarnation_ ? incarnation_->pending() : "nothing";
}

Host* Machine::host() {
  return state() == State::off ? nullptr : &incarnation_->host();
}

}  // namespace aspen::lab
