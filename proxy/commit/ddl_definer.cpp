#include "proxy/commit/ddl_definer.h"

#include <algorithm>
#include <cctype>

#include "base/sql_identifier.h"
#include "certifier/sql_words.h"

namespace consort::proxy {
namespace {

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

bool equals(std::string_view word, std::string_view upper) {
  return word.size() == upper.size() &&
         std::equal(word.begin(), word.end(), upper.begin(), [](char a, char b) {
           return std::toupper(static_cast<unsigned char>(a)) == b;
         });
}

// Words and single characters of a statement, comments left out.
class Words {
 public:
  explicit Words(std::string_view sql) : sql_(sql) {}

  /// The next word, quoted text or single character; empty at the end or at an executable comment.
  std::string_view next() {
    at_ = certifier::past_space(sql_, at_);
    start_ = at_;
    if (at_ >= sql_.size() || sql_.substr(at_, 3) == "/*!" || sql_.substr(at_, 4) == "/*M!") {
      return {};
    }
    const char first = sql_[at_];
    if (first == '\'' || first == '"' || first == '`') {
      skip_quoted(first);
    } else if (is_word_byte(first)) {
      while (at_ < sql_.size() && is_word_byte(sql_[at_])) {
        ++at_;
      }
    } else {
      ++at_;
    }
    return sql_.substr(start_, at_ - start_);
  }

  /// Where the last word begins.
  [[nodiscard]] std::size_t start() const { return start_; }

 private:
  void skip_quoted(char quote) {
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == '\\' && quote != '`') {
        ++at_;
      } else if (sql_[at_] == quote) {
        break;
      }
    }
    at_ = std::min(at_ + 1, sql_.size());
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
};

// A loadable function has no definer: it names its library.
bool names_library(Words words) {
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (equals(word, "SONAME")) {
      return true;
    }
    if (equals(word, "BEGIN") || equals(word, "RETURN")) {
      return false;
    }
  }
  return false;
}

bool takes_definer(std::string_view word, Words rest) {
  return equals(word, "VIEW") || equals(word, "TRIGGER") || equals(word, "PROCEDURE") ||
         equals(word, "EVENT") || equals(word, "PACKAGE") ||
         (equals(word, "FUNCTION") && !names_library(rest));
}

}  // namespace

std::string with_definer(std::string_view sql, std::string_view definer) {
  const std::size_t at_sign = definer.rfind('@');
  Words words(sql);
  std::string_view word = words.next();
  const bool alters = equals(word, "ALTER");
  if (at_sign == std::string_view::npos || (!alters && !equals(word, "CREATE"))) {
    return std::string(sql);
  }
  word = words.next();
  if (equals(word, "OR") && equals(words.next(), "REPLACE")) {
    word = words.next();
  }
  if (equals(word, "ALGORITHM")) {
    words.next();  // =
    words.next();
    word = words.next();
  }
  const std::size_t place = words.start();
  if (equals(word, "SQL") && equals(words.next(), "SECURITY")) {
    words.next();
    word = words.next();
  }
  if (equals(word, "AGGREGATE")) {
    word = words.next();
  }
  // ALTER of a routine or trigger keeps the definer it has.
  const bool wanted =
      alters ? equals(word, "VIEW") || equals(word, "EVENT") : takes_definer(word, words);
  if (!wanted) {
    return std::string(sql);
  }
  std::string out(sql.substr(0, place));
  out += "DEFINER=" + sql_identifier(definer.substr(0, at_sign)) + "@" +
         sql_identifier(definer.substr(at_sign + 1)) + " ";
  out += sql.substr(place);
  return out;
}

}  // namespace consort::proxy
