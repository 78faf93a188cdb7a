// The oracle of quotas: it must see a usage that is not what counting gives, and growth beyond a quota.
#include "core/lab/quota_check.h"

#include "core/lab/test_committed.h"

namespace aspen::lab {
namespace {

class QuotaCheckTest : public CommittedTest {};

TEST_F(QuotaCheckTest, CountsWhatThereIs) {
  set_quota("a", 100, 10);
  put("a", "12");
  put("ab", "1");
  put("b", "1");
  const uint64_t before = committed_.upto();
  set_quota("", 0, 50);
  erase("a");
  set_quota("a", 0, 0);
  const std::vector<kv::Quota> one = {{"a", 100, 10, 6, 2}};
  EXPECT_EQ(compare_quotas(one, quotas_at(committed_, before)), "");
  EXPECT_EQ(compare_quotas({{"", 0, 50, 5, 2}}, quotas_at(committed_, committed_.upto())), "");
  EXPECT_NE(compare_quotas(one, quotas_at(committed_, committed_.upto())), "");
  EXPECT_NE(compare_quotas({}, one), "");
  EXPECT_NE(compare_quotas(one, {}), "");
  for (auto field : {&kv::Quota::bytes_max, &kv::Quota::keys_max, &kv::Quota::bytes, &kv::Quota::keys}) {
    std::vector<kv::Quota> wrong = one;
    ++(wrong[0].*field);
    EXPECT_NE(compare_quotas(wrong, one), "");
  }
}

TEST_F(QuotaCheckTest, AQuotaMayBeSetBelowWhatThereIs) {
  put("a", "123456");
  set_quota("a", 3, 1);
  put("a", "1234");
  EXPECT_EQ(check_growth(committed_.model().changes, committed_.done()), "");
}

TEST_F(QuotaCheckTest, SeesGrowthBeyondAQuota) {
  auto put = [](uint64_t revision, Bytes key, Bytes value) {
    return kv::ChangeSet{revision,
                         {{.key = std::move(key), .record = kv::Record{.value = std::move(value)}}}};
  };
  std::map<uint64_t, kv::ChangeSet> changes = {{1, put(1, "a", "12")}, {4, put(4, "a", "123")}};
  auto check = [&](uint64_t set_at, uint64_t bytes_max, uint64_t keys_max) {
    const kv::Command set{
        .kind = kv::Command::Kind::quota_set, .prefix = "a", .bytes_max = bytes_max, .keys_max = keys_max};
    return check_growth(changes, {{set_at, set, kv::DoneReply{set_at, 0}}});
  };
  EXPECT_EQ(check(2, 4, 1), "");
  EXPECT_NE(check(2, 3, 1), "");
  EXPECT_EQ(check(5, 3, 1), "");
  changes[5] = put(5, "ab", "");
  EXPECT_NE(check(2, 0, 1), "");
  EXPECT_EQ(check(2, 0, 2), "");
}

}  // namespace
}  // namespace aspen::lab
