#include "core/lab/world.h"

#include <sodium.h>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/crypto/key.h"

namespace aspen::lab {
namespace {

World* current = nullptr;
Random* sodium_random = nullptr;

const char* sodium_name() {
  return "aspen lab";
}
uint32_t sodium_u32() {
  return static_cast<uint32_t>(sodium_random->next());
}
void sodium_bytes(void* out, size_t size) {
  sodium_random->fill(out, size);
}
randombytes_implementation seeded = {.implementation_name = sodium_name,
                                     .random = sodium_u32,
                                     .stir = nullptr,
                                     .uniform = nullptr,
                                     .buf = sodium_bytes,
                                     .close = nullptr};

}  // namespace

World::World(const WorldOptions& options)
    : seed_(options.seed),
      random_(options.seed),
      buggify_random_(random_.fork("buggify")),
      sodium_random_(random_.fork("sodium")),
      trace_(options.recording, options.trace_lines_max),
      network_(events_, random_.fork("network")) {
  ASPEN_ASSERT(current == nullptr);
  current = this;
  crypto::initialize();  // not later: the first time it draws random bytes itself
  sodium_random = &sodium_random_;
  randombytes_set_implementation(&seeded);
  buggify_hook = buggify;
  network_.trace = [this](const char* what, uint32_t from, uint32_t to, size_t bytes) {
    trace_.add_often(now(), 0, what, {from, to, bytes}, [&] {
      return fmt::format("{} > {}, {} bytes", network_.address_of(from), network_.address_of(to), bytes);
    });
  };
}

World::~World() {
  buggify_hook = nullptr;
  randombytes_set_implementation(&randombytes_sysrandom_implementation);
  sodium_random = nullptr;
  current = nullptr;
}

void World::violate(std::string_view oracle, std::string detail) {
  if (violation_) return;
  note(0, "violation", "{}: {}", oracle, detail);
  violation_ = Violation{std::string(oracle), std::move(detail)};
}

void World::run_for(DurationNs duration) {
  (void)run_until([] { return false; }, duration);
}

bool World::run_until(const std::function<bool()>& done, DurationNs limit) {
  TimeNs end = now() + limit;
  while (!violation_ && !done()) {
    if (!events_.run_next(end)) return !violation_ && done();
  }
  return !violation_;
}

void World::set_buggify(double enabled, double fires) {
  buggify_enabled_ = enabled;
  buggify_fires_ = fires;
}

bool World::buggify(const char* site) {
  World& world = *current;
  if (world.buggify_fires_ == 0) return false;
  auto found = world.sites_.find(std::string_view(site));
  if (found == world.sites_.end()) {
    // By the site's name, so that the order in which sites are reached decides nothing.
    bool enabled = world.random_.fork(site).chance(world.buggify_enabled_);
    found = world.sites_.emplace(site, enabled).first;
    world.buggified_.emplace(site, 0);
  }
  if (!found->second || !world.buggify_random_.chance(world.buggify_fires_)) return false;
  ++world.buggified_[site];
  return true;
}

}  // namespace aspen::lab
