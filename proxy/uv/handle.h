// UvHandle<T>: owns a libuv handle. Destruction nulls `data` and asks libuv to close it; the memory
// is freed in the close callback. A callback therefore reads `data` first: null means that the
// owner is gone.
#pragma once

#include <memory>

#include <uv.h>

namespace consort::proxy {

struct UvCloser {
  template <typename T>
  void operator()(T* handle) const {
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
  }
};

template <typename T>
using UvHandle = std::unique_ptr<T, UvCloser>;

}  // namespace consort::proxy
