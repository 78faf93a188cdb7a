#include "core/net/endpoint.h"

#include "core/net/endpoint_impl.h"
#include "core/net/udp_socket.h"

namespace aspen::net {
namespace {

Result<std::shared_ptr<EndpointImpl>> make(rt::Executor& executor, rt::Loop* loop, EndpointOptions options,
                                           std::unique_ptr<DatagramSocket> socket) {
  ASPEN_TRY(auto tls, TlsCredentials::create(*options.key));
  auto impl =
      std::make_shared<EndpointImpl>(executor, loop, std::move(options), std::move(tls), std::move(socket));
  impl->start();
  return impl;
}

}  // namespace

Endpoint::Endpoint(std::shared_ptr<EndpointImpl> impl) : impl_(std::move(impl)) {
  impl_->face = this;
}

Result<std::unique_ptr<Endpoint>> Endpoint::open(rt::Loop& loop, EndpointOptions options) {
  crypto::initialize();
  ASPEN_CHECK(EndpointImpl::check(options));
  ASPEN_TRY(std::unique_ptr<DatagramSocket> socket, UdpSocket::open(loop, options.listen));
  ASPEN_TRY(auto impl, make(loop.executor(), &loop, std::move(options), std::move(socket)));
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(impl)));
}

Result<std::unique_ptr<Endpoint>> Endpoint::open(rt::Executor& executor, EndpointOptions options,
                                                 std::unique_ptr<DatagramSocket> socket) {
  crypto::initialize();
  ASPEN_CHECK(EndpointImpl::check(options));
  ASPEN_TRY(auto impl, make(executor, nullptr, std::move(options), std::move(socket)));
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(impl)));
}

Endpoint::~Endpoint() {
  impl_->stop();
}

std::string Endpoint::local_address() const {
  return impl_->local_address();
}

Result<Connection*> Endpoint::connect(const NodeId& peer, const std::string& address) {
  return impl_->connect(peer, address);
}

Connection* Endpoint::find(const NodeId& peer) {
  return impl_->find(peer);
}

std::vector<Connection*> Endpoint::connections() {
  return impl_->connections();
}

void Endpoint::set_membership(crypto::GrantChain chain) {
  impl_->set_membership(std::move(chain));
}

void Endpoint::close(Code code, std::string_view reason, std::function<void()> done) {
  impl_->close(code, reason, std::move(done));
}

}  // namespace aspen::net
