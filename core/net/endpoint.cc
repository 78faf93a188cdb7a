#include "core/net/endpoint.h"

#include "core/net/endpoint_impl.h"
#include "core/net/udp_socket.h"

namespace aspen::net {
namespace {

// A callback that the implementation is running may destroy the endpoint, so it is shared with that call.
class QuicEndpoint final : public Endpoint {
 public:
  explicit QuicEndpoint(std::shared_ptr<EndpointImpl> impl) : impl_(std::move(impl)) { impl_->face = this; }
  ~QuicEndpoint() override { impl_->stop(); }

  std::string local_address() const override { return impl_->local_address(); }
  Result<Connection*> connect(const NodeId& peer, const std::string& address) override {
    return impl_->connect(peer, address);
  }
  Connection* find(const NodeId& peer) override { return impl_->find(peer); }
  std::vector<Connection*> connections() override { return impl_->connections(); }
  void set_membership(crypto::GrantChain chain) override { impl_->set_membership(std::move(chain)); }
  void close(Code code, std::string_view reason, std::function<void()> done) override {
    impl_->close(code, reason, std::move(done));
  }

 private:
  std::shared_ptr<EndpointImpl> impl_;
};

Result<std::unique_ptr<Endpoint>> make(rt::Executor& executor, rt::Loop* loop, EndpointOptions options,
                                       std::unique_ptr<DatagramSocket> socket) {
  ASPEN_TRY(auto tls, TlsCredentials::create(*options.key));
  auto impl =
      std::make_shared<EndpointImpl>(executor, loop, std::move(options), std::move(tls), std::move(socket));
  impl->start();
  return std::make_unique<QuicEndpoint>(std::move(impl));
}

}  // namespace

Result<std::unique_ptr<Endpoint>> Endpoint::open(rt::Loop& loop, EndpointOptions options) {
  crypto::initialize();
  ASPEN_CHECK(check(options));
  ASPEN_TRY(std::unique_ptr<DatagramSocket> socket, UdpSocket::open(loop, options.listen));
  return make(loop.executor(), &loop, std::move(options), std::move(socket));
}

Result<std::unique_ptr<Endpoint>> Endpoint::open(rt::Executor& executor, EndpointOptions options,
                                                 std::unique_ptr<DatagramSocket> socket) {
  crypto::initialize();
  ASPEN_CHECK(check(options));
  return make(executor, nullptr, std::move(options), std::move(socket));
}

}  // namespace aspen::net
