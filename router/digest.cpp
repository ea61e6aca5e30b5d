#include "router/digest.h"

#include <cstring>

#include "router/normalised_stream.h"
#include "router/sql_lexer.h"

namespace consort::router {
namespace {

constexpr std::uint64_t kMultiplier = 0xD6E8FEB86659FD93ULL;

std::uint64_t mix(std::uint64_t state, std::uint64_t value) {
  state = (state ^ value) * kMultiplier;
  return state ^ (state >> 32);
}

/// Eight characters at once: makes `a`..`z` upper case and leaves every other byte alone.
std::uint64_t to_upper(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  const std::uint64_t low = bytes & (0x7F * kOnes);
  const std::uint64_t at_least_a = low + (0x80 - 'a') * kOnes;
  const std::uint64_t above_z = low + (0x80 - 'z' - 1) * kOnes;
  const std::uint64_t lower = at_least_a & ~above_z & ~bytes & (0x80 * kOnes);
  return bytes - (lower >> 2);
}

template <typename T>
T load(const char* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

/// 1 to 7 bytes as a number that differs when they differ. Reads some of them twice.
std::uint64_t load_tail(const char* data, std::size_t size) {
  if (size >= 4) {
    return load<std::uint32_t>(data) | std::uint64_t{load<std::uint32_t>(data + size - 4)} << 32;
  }
  const auto byte = [&](std::size_t at) {
    return std::uint64_t{static_cast<std::uint8_t>(data[at])};
  };
  return byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
}

class TextSink {
 public:
  explicit TextSink(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(const Item& item) {
    switch (item.kind) {
      case ItemKind::kLiteral:
        write("?", true);
        break;
      case ItemKind::kLiteralList:
        write("?, ...", true);
        break;
      case ItemKind::kMoreRows:
        write(", ...", false);
        break;
      case ItemKind::kWord:
        write(item.text, true);
        break;
      case ItemKind::kSign:
        write(item.text, item.text != "," && item.text != ")" && item.text != ".");
        break;
    }
    touches_next_ = item.kind == ItemKind::kSign && (item.text == "(" || item.text == ".");
    word_before_ = item.kind == ItemKind::kWord;
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void write(std::string_view text, bool blank_before) {
    const bool call = word_before_ && text == "(";
    if (blank_before && !touches_next_ && !text_.empty() && !call) {
      append(" ");
    }
    append(text);
  }

  void append(std::string_view text) { text_.append(text.substr(0, bytes_max_ - text_.size())); }

  const std::size_t bytes_max_;
  std::string text_;
  bool touches_next_ = false;
  bool word_before_ = false;
};

}  // namespace

void DigestHash::put(const Item& item) {
  std::uint64_t state = mix(state_, static_cast<std::uint64_t>(item.kind) + item.text.size() * 8);
  const char* data = item.text.data();
  std::size_t left = item.text.size();
  for (; left >= 8; data += 8, left -= 8) {
    state = mix(state, to_upper(load<std::uint64_t>(data)));
  }
  if (left > 0) {
    state = mix(state, to_upper(load_tail(data, left)));
  }
  state_ = state;
}

std::string digest_text(std::string_view sql, const LexerOptions& options, std::size_t bytes_max) {
  SqlLexer lexer(sql, options);
  TextSink sink(bytes_max);
  NormalisedStream<TextSink> stream(sink);
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (token.is(TokenKind::kSemicolon)) {
      break;
    }
    stream.add(token);
  }
  stream.finish();
  return sink.take();
}

}  // namespace consort::router
