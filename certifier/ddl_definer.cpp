#include "certifier/ddl_definer.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>

#include "base/sql_identifier.h"
#include "certifier/sql_words.h"

namespace consort::certifier {
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

/// Does a server execute what an executable comment holds?
enum class Executes : std::uint8_t { kYes, kNo, kSomeServers };

/// `number`: behind its mark, as far as it is one; 0: there is none.
Executes executes(std::uint32_t number, bool mariadb) {
  constexpr std::uint32_t kOldest = 100600;  // that Consort takes
  // MariaDB takes these for what MySQL alone can.
  const bool mysql = !mariadb && number >= 50700 && number <= 99999;
  return mysql ? Executes::kNo : number <= kOldest ? Executes::kYes : Executes::kSomeServers;
}

// Words and single characters of a statement, comments left out. What is in executable comments
// counts where every server executes it.
class Words {
 public:
  explicit Words(std::string_view sql) : sql_(sql) {}

  /// The next word, quoted text or single character; empty at the end and where unclear().
  std::string_view next() {
    do {
      at_ = past_space(sql_, at_);
    } while (pass_mark());
    start_ = at_;
    if (at_ >= sql_.size() || unclear_) {
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

  /// What comes next is executed by some servers only.
  [[nodiscard]] bool unclear() const { return unclear_; }

 private:
  /// Goes behind the mark of an executable comment, or over all of it, or behind its end.
  bool pass_mark() {
    if (inside_ && sql_.substr(at_, 2) == "*/") {
      at_ += 2;
      inside_ = false;
      return true;
    }
    const bool mariadb = sql_.substr(at_, 4) == "/*M!";
    if (!mariadb && sql_.substr(at_, 3) != "/*!") {
      return false;
    }
    constexpr std::size_t kDigitsMin = 5;
    constexpr std::size_t kDigitsMax = 6;
    std::size_t behind = at_ + (mariadb ? 4 : 3);
    std::size_t digits = 0;
    std::uint32_t number = 0;
    for (; digits < kDigitsMax && behind + digits < sql_.size() &&
           std::isdigit(static_cast<unsigned char>(sql_[behind + digits])) != 0;
         ++digits) {
      number = number * 10 + static_cast<std::uint32_t>(sql_[behind + digits] - '0');
    }
    behind += digits >= kDigitsMin ? digits : 0;
    switch (executes(digits >= kDigitsMin ? number : 0, mariadb)) {
      case Executes::kYes:
        at_ = behind;
        inside_ = true;
        return true;
      case Executes::kNo: {
        const std::size_t end = sql_.find("*/", behind);
        at_ = end == std::string_view::npos ? sql_.size() : end + 2;
        return true;
      }
      case Executes::kSomeServers:
        break;
    }
    unclear_ = true;
    return false;
  }

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
  bool inside_ = false;  ///< an executable comment
  bool unclear_ = false;
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

/// "user@host" as a statement names it.
std::string account_sql(std::string_view account) {
  const std::size_t at_sign = account.rfind('@');
  return sql_identifier(account.substr(0, at_sign)) + "@" +
         sql_identifier(account.substr(at_sign + 1));
}

/// The statement whose DEFINER `words` have just read. Whoever runs it means the client.
std::optional<std::string> with_named_definer(std::string_view sql,
                                              std::string_view definer,
                                              Words words) {
  words.next();  // =
  const std::string_view who = words.next();
  if (words.unclear() || equals(who, "CURRENT_ROLE")) {
    return std::nullopt;
  }
  if (!equals(who, "CURRENT_USER")) {
    return std::string(sql);
  }
  const std::size_t from = words.start();
  std::size_t to = from + who.size();
  if (words.next() == "(") {
    words.next();
    to = words.start() + 1;
  }
  return std::string(sql.substr(0, from)) + account_sql(definer) + std::string(sql.substr(to));
}

}  // namespace

std::optional<std::string> with_definer(std::string_view sql, std::string_view definer) {
  Words words(sql);
  std::string_view word = words.next();
  const bool alters = equals(word, "ALTER");
  if (definer.find('@') == std::string_view::npos || (!alters && !equals(word, "CREATE"))) {
    return words.unclear() ? std::nullopt : std::optional(std::string(sql));
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
  if (equals(word, "DEFINER")) {
    return with_named_definer(sql, definer, words);
  }
  const std::size_t place = words.start();
  if (equals(word, "SQL") && equals(words.next(), "SECURITY")) {
    words.next();
    word = words.next();
  }
  if (equals(word, "AGGREGATE")) {
    word = words.next();
  }
  if (words.unclear()) {
    return std::nullopt;
  }
  // ALTER of a routine or trigger keeps the definer it has.
  const bool wanted =
      alters ? equals(word, "VIEW") || equals(word, "EVENT") : takes_definer(word, words);
  if (!wanted) {
    return std::string(sql);
  }
  std::string out(sql.substr(0, place));
  out += "DEFINER=" + account_sql(definer) + " ";
  out += sql.substr(place);
  return out;
}

}  // namespace consort::certifier
