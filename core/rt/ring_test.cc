#include "core/rt/ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace aspen::rt {
namespace {

TEST(Ring, IsAQueueOfBoundedSize) {
  std::minstd_rand random(1);
  for (size_t capacity : {1, 2, 3, 7}) {
    Ring<std::shared_ptr<int>> ring(capacity);
    std::deque<std::shared_ptr<int>> model;
    for (int i = 0; i < 500; ++i) {
      if (random() % 2 == 0 && !ring.full()) {
        model.push_back(std::make_shared<int>(i));
        ring.push_back(model.back());
      } else if (!ring.empty()) {
        ASSERT_EQ(ring.pop_front(), model.front());
        ASSERT_EQ(model.front().use_count(), 1);  // the ring kept nothing
        model.pop_front();
      }
      ASSERT_EQ(ring.size(), model.size());
      ASSERT_EQ(ring.full(), model.size() == capacity);
      for (size_t k = 0; k < model.size(); ++k) ASSERT_EQ(ring[k], model[k]);
    }
  }
}

TEST(Ring, MisuseIsAPanic) {
  EXPECT_THROW(Ring<int>(0), Panic);
  Ring<int> ring(1);
  EXPECT_THROW(ring.pop_front(), Panic);
  ring.push_back(1);
  EXPECT_THROW(ring.push_back(2), Panic);
  EXPECT_THROW(ring[1], Panic);
}

TEST(Ring, DestroysWhatIsLeft) {
  auto item = std::make_shared<int>(1);
  {
    Ring<std::shared_ptr<int>> ring(2);
    ring.push_back(item);
  }
  EXPECT_EQ(item.use_count(), 1);
}

}  // namespace
}  // namespace aspen::rt
