#include "healthcheck/probe.h"

namespace consort::healthcheck {

std::string_view to_text(ProbeFailure failure) {
  switch (failure) {
    case ProbeFailure::kRefused:
      return "connection refused";
    case ProbeFailure::kConnectTimeout:
      return "no connection in time";
    case ProbeFailure::kReadTimeout:
      return "no answer in time";
    case ProbeFailure::kReset:
      return "connection lost";
    case ProbeFailure::kOverloaded:
      return "too many connections";
    case ProbeFailure::kLoginRefused:
      return "login refused";
    case ProbeFailure::kWrongServer:
      return "not the backend it should be";
    case ProbeFailure::kServerError:
      return "the probe's statement failed";
  }
  return "unknown failure";
}

std::string_view to_text(PathFailure failure) {
  switch (failure) {
    case PathFailure::kRefused:
      return "connection refused";
    case PathFailure::kReset:
      return "connection lost";
    case PathFailure::kTimeout:
      return "no answer in time";
  }
  return "unknown failure";
}

}  // namespace consort::healthcheck
