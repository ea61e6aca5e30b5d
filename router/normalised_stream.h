// NormalisedStream: tokens in, the items of a digest out: literals become `?`, lists of literals
// one item, rows of literals one row. A sink hashes the items or writes them as text. Threads:
// none; one statement's.
#pragma once

#include <cstdint>
#include <string_view>

#include "router/token.h"

namespace consort::router {

enum class ItemKind : std::uint8_t {
  kWord,         ///< any word or name, quotes stripped; case does not matter
  kSign,         ///< punctuation and operators
  kLiteral,      ///< one literal or placeholder
  kLiteralList,  ///< several, separated by commas
  kMoreRows      ///< behind a row of literals: one or more rows of literals
};

struct Item {
  ItemKind kind;
  std::string_view text;  ///< empty for the last three kinds
};

/// `Sink` has `void put(const Item&)`.
template <typename Sink>
class NormalisedStream {
 public:
  explicit NormalisedStream(Sink& sink) : sink_(sink) {}

  void add(const Token& token) {
    if (pending_sign_) {
      pending_sign_ = false;
      if (token.is(TokenKind::kNumber)) {
        literal();
        before_ = token.kind;
        return;
      }
      other({ItemKind::kSign, sign_});
    }
    take(token);
    before_ = token.kind;
  }

  /// Call once, behind the last token.
  void finish() {
    if (pending_sign_) {
      other({ItemKind::kSign, sign_});
      pending_sign_ = false;
    }
    flush_literals();
    flush_row();
  }

 private:
  enum class Literals : std::uint8_t { kNone, kOne, kOneComma, kMany, kManyComma };

  /// How much of `( literals ) , ( literals )` has been held back.
  enum class Row : std::uint8_t { kNone, kOpen, kInside, kClosed, kComma, kOpenNext, kInsideNext };

  void take(const Token& token) {
    switch (token.kind) {
      case TokenKind::kString:
      case TokenKind::kNumber:
      case TokenKind::kPlaceholder:
        literal();
        return;
      case TokenKind::kWord:
        if (opens_operand(before_) && token.is("NULL")) {
          literal();
          return;
        }
        [[fallthrough]];
      case TokenKind::kQuotedIdentifier:
        other({ItemKind::kWord, token.name()});
        return;
      case TokenKind::kUserVariable:
      case TokenKind::kSystemVariable:
        other({ItemKind::kWord, token.text});
        return;
      case TokenKind::kComma:
        comma();
        return;
      case TokenKind::kOperator:
        if (token.text == "-" && (opens_operand(before_) || before_ == TokenKind::kOperator)) {
          pending_sign_ = true;
          sign_ = token.text;
          return;
        }
        [[fallthrough]];
      default:
        other({ItemKind::kSign, token.text});
    }
  }

  static bool opens_operand(TokenKind kind) {
    return kind == TokenKind::kComma || kind == TokenKind::kOpenParen;
  }

  void literal() {
    const bool first = literals_ == Literals::kNone;
    literals_ = first ? Literals::kOne : Literals::kMany;
  }

  void comma() {
    if (literals_ == Literals::kOne) {
      literals_ = Literals::kOneComma;
    } else if (literals_ == Literals::kMany) {
      literals_ = Literals::kManyComma;
    } else {
      other({ItemKind::kSign, ","});
    }
  }

  void other(const Item& item) {
    flush_literals();
    rows(item);
  }

  void flush_literals() {
    const Literals held = literals_;
    literals_ = Literals::kNone;
    if (held == Literals::kNone) {
      return;
    }
    const bool many = held == Literals::kMany || held == Literals::kManyComma;
    rows({many ? ItemKind::kLiteralList : ItemKind::kLiteral, {}});
    if (held == Literals::kOneComma || held == Literals::kManyComma) {
      rows({ItemKind::kSign, ","});
    }
  }

  // The second stage: of rows of literals only the first goes through.
  void rows(const Item& item) {
    if (row_ == Row::kNone && !(item.kind == ItemKind::kSign && item.text == "(")) {
      sink_.put(item);
      return;
    }
    const bool literals = item.kind == ItemKind::kLiteral || item.kind == ItemKind::kLiteralList;
    const auto sign = [&](std::string_view text) {
      return item.kind == ItemKind::kSign && item.text == text;
    };
    if (row_ == Row::kClosed && sign(",")) {
      row_ = Row::kComma;
    } else if (row_ == Row::kComma && sign("(")) {
      row_ = Row::kOpenNext;
    } else if (row_ == Row::kOpenNext && literals) {
      row_ = Row::kInsideNext;
      inside_next_ = item.kind;
    } else if (row_ == Row::kInsideNext && sign(")")) {
      row_ = Row::kClosed;
      more_rows_ = true;
    } else {
      flush_row();
      sink_.put(item);
      row_ = sign("(")                                  ? Row::kOpen
             : before_row_ == Row::kOpen && literals    ? Row::kInside
             : before_row_ == Row::kInside && sign(")") ? Row::kClosed
                                                        : Row::kNone;
      before_row_ = row_;
    }
  }

  void flush_row() {
    before_row_ = row_;
    if (more_rows_) {
      sink_.put({ItemKind::kMoreRows, {}});
      more_rows_ = false;
    }
    if (row_ == Row::kComma || row_ == Row::kOpenNext || row_ == Row::kInsideNext) {
      sink_.put({ItemKind::kSign, ","});
    }
    if (row_ == Row::kOpenNext || row_ == Row::kInsideNext) {
      sink_.put({ItemKind::kSign, "("});
      before_row_ = Row::kOpen;
    }
    if (row_ == Row::kInsideNext) {
      sink_.put({inside_next_, {}});
      before_row_ = Row::kInside;
    }
    row_ = Row::kNone;
  }

  Sink& sink_;
  TokenKind before_ = TokenKind::kEnd;
  Literals literals_ = Literals::kNone;
  Row row_ = Row::kNone;
  Row before_row_ = Row::kNone;
  ItemKind inside_next_ = ItemKind::kLiteral;
  bool more_rows_ = false;
  bool pending_sign_ = false;
  std::string_view sign_;
};

/// A sink that makes the 64-bit digest.
class DigestHash {
 public:
  void put(const Item& item);

  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

}  // namespace consort::router
